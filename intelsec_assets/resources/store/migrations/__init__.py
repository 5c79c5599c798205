"""Steps that bring an older store to the newest schema, run by `versions` inside a transaction of its own.

There is no alembic.ini: address and connection come from the caller.
"""
