{{ config(incremental_strategy='replace_days') }}

-- what was withdrawn because it retired is no longer live: the plan still knows its name
select
    w.day,
    w.target,
    w.seq,
    w.indicator_id,
    coalesce(p.indicator_type, i.indicator_type) as indicator_type,
    coalesce(p.value, i.value) as value,
    w.action,
    w.event,
    i.score,
    i.decision,
    coalesce(p.tlp, i.tlp) as tlp,
    w.confirmed_at,
    w.content_hash
from {{ ref('stg_export_writes') }} as w
left join {{ ref('stg_export_plan') }} as p on w.day = p.day and w.indicator_id = p.indicator_id
left join {{ ref('fct_indicator_day') }} as i
    on w.day = i.day and w.indicator_id = i.indicator_id and {{ in_days('i.day') }}
where {{ in_days('w.day') }}
