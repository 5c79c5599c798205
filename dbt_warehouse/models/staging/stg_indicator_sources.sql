-- `sources` are the feeds of the corroboration window: what an indicator's older feeds said stays in `source_records` only
select
    i.partition_day as day,
    i.indicator_id,
    unnest(i.sources) as feed,
    cast(len(i.sources) as integer) as source_count
from {{ lake('indicators') }} as i
