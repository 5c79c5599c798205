select
    r.partition_day,
    r.day,
    r.feed,
    r.file,
    r.line,
    r.snapshot_sha256,
    r.raw_value,
    r.reason,
    r.detail
from {{ lake('rejected_observations') }} as r
