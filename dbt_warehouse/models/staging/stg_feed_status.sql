select
    s.partition_day,
    s.day,
    s.feed,
    s.status,
    s.held as is_held,
    s.reason,
    s.rows_in,
    s.rows_kept,
    s.rows_rejected,
    s.listings,
    s.distinct_indicators,
    s.baseline_rows,
    s.unchanged_days,
    s.snapshot_sha256
from {{ lake('feed_status') }} as s
