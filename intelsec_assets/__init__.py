"""What exists: the domain packages of intelsec and the Dagster assets made of them.

Each package holds pure modules (no dagster import) and thin `assets.py` and `checks.py`. Nothing is wired or read
here at import time; `intelsec_jobs.definitions` assembles.
"""
