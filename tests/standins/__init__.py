"""Stand-ins for the outside services, faithful enough to test against and free of any network.

* `tests.standins.ollama`: a server that speaks Ollama's HTTP API, with scripted answers and faults.
* `tests.standins.llamacpp`: the real (small, weak) SmolLM2 behind llama.cpp's OpenAI-compatible server.
"""
