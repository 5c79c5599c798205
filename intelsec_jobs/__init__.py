"""When and together with what assets run: jobs, schedules, environments, and the one assembler `definitions`.

No asset is defined here.
"""
