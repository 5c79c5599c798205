"""What can go wrong with the warehouse, as one tree of errors.

Errors of a part that only that part raises stand beside it and descend from here.
"""

from __future__ import annotations


class WarehouseError(Exception):
    """Something is wrong with the warehouse; the message names the file or table and the way out."""
