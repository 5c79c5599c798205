"""What triggers work: sensors that watch runs and assets. Each decides in a pure function and keeps no state of its own.

Fixed hours are schedules, in `intelsec_jobs.schedules`.
"""
