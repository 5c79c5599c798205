select
    o.partition_day as day,
    o.feed,
    o.other,
    o.indicators,
    o.shared,
    o.containment,
    o.is_copy
from {{ lake('feed_overlaps') }} as o
