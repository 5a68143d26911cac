"""Metrics of one answer, each a small pure module, and how they combine. No key, no download."""
