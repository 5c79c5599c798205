"""Cloud audit logs: where they lie, how their files are read, typed columns, landing, and the days made of them.

What rules find in the events, and what is joined to them before, lives in `sigma` and `context`.
"""
