"""The operational store: runs, check results, what export targets confirmed, locks; on SQLite or PostgreSQL by one URL.

Data that can be rebuilt belongs to the lake. `Store` is the whole surface; its rows are in `intelsec_assets.records`.
"""

from intelsec_assets.resources.store.database import NewerSchema, StoreError, StoreUnavailable
from intelsec_assets.resources.store.locks import LockHeld
from intelsec_assets.resources.store.store import Store

__all__ = ["LockHeld", "NewerSchema", "Store", "StoreError", "StoreUnavailable"]
