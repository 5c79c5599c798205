"""One module a schema version, in order; a released step is never changed, a new one is added.

The tables as they are now are in `schema`.
"""
