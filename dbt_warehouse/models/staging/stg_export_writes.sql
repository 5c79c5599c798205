select
    w.partition_day,
    w.day,
    w.seq,
    w.target,
    w.indicator_id,
    w.action,
    w.event,
    w.content_hash,
    w.confirmed_at
from {{ lake('export_writes') }} as w
