"""The Dagster instance: templates of `dagster.yaml`, embedded (SQLite) and postgres, and how one is put in place.

What runs on the instance is decided in the other modules of `intelsec_jobs`.
"""

from intelsec_jobs.instance.templates import TEMPLATES, prepare_instance

__all__ = ["TEMPLATES", "prepare_instance"]
