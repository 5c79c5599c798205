"""Measurements of what the project promises about speed and memory, beside the packages people would use instead.

`python -m benchmarks` runs them, each in a process of its own; results are in RESULTS.md. No test bar is decided here.
"""
