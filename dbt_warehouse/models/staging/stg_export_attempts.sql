select
    a.partition_day,
    a.day,
    a.seq,
    a.target,
    a.status,
    a.added,
    a.updated,
    a.withdrawn,
    a.unchanged,
    a.refused,
    a.detail,
    a.attempted_at
from {{ lake('export_attempts') }} as a
