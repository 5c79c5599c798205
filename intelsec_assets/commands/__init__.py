"""The subcommands of `intelsec`, one module each: reading arguments, printing, exit codes.

What they compute lives in the domain packages; the command itself is put together in `cli.py`.
"""
