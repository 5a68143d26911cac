"""The launcher: the only holder of the Docker socket. It starts our jobs in containers, and nothing else.

Its image has what ``requirements/launcher.txt`` lists: import neither models, nor pages, nor vectors here.
"""
