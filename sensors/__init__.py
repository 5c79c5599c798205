"""What triggers work: sensors that watch runs and assets. Each decides in a pure function and keeps no state.

Fixed hours are schedules, in `intelsec_jobs.schedules`.
"""
