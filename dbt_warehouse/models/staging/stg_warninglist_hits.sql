select
    h.partition_day as day,
    h.indicator_id,
    h.list,
    h.policy,
    h.entry
from {{ lake('warninglist_hits') }} as h
