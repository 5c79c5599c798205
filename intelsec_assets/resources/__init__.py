"""The places that intelsec reads and writes: lake, operational store, and clients of other systems.

What the data means belongs to the domain packages; nothing is opened at import time.
"""
