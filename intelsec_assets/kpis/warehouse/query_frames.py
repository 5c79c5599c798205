"""The words between `reading` and the process in which a query runs: frames of a kind, a length and that many bytes.

Kept apart so that who asks does not load the engine that answers.
"""

from __future__ import annotations

import struct

FRAME = struct.Struct(">cQ")  # kind, length of what follows
# JSON: which file it is; JSON: columns; rows as a pickled list of tuples; rows as a stream of Arrow; JSON: how it ended
OPEN, HEAD, ROWS, ARROW, END = b"O", b"H", b"R", b"A", b"E"
# why there is no answer
REFUSED, FAILED, TIME, MEMORY, DAMAGED = "refused", "failed", "time", "memory", "damaged"
