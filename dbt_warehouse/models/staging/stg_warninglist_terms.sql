select
    t.partition_day,
    t.day,
    t.list,
    t.policy,
    t.reason,
    t.title,
    array_to_string(t.types, ', ') as types,
    t.entries
from {{ lake('warninglist_terms') }} as t
