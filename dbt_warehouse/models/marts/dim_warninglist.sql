{{ config(materialized='table') }}

with spans as (
    select
        w.list,
        min(w.day) as first_day,
        max(w.day) as last_day
    from {{ ref('int_warninglist_day') }} as w
    group by w.list
)

select
    w.list,
    w.policy,
    w.reason,
    w.title,
    w.types,
    w.entries,
    s.first_day,
    s.last_day,
    s.last_day = (select max(d.day) from {{ ref('int_day') }} as d) as is_current,
    w.live_hits,
    w.sole_block_hits,
    w.suppressed_exportable
from spans as s
inner join {{ ref('int_warninglist_day') }} as w on s.list = w.list and s.last_day = w.day
