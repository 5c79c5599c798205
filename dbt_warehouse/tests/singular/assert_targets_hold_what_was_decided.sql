with planned as (
    select
        p.day,
        p.indicator_id,
        p.action
    from {{ ref('stg_export_plan') }} as p
),

attempts as (
    select
        a.day,
        a.target,
        a.status,
        row_number() over (partition by a.day, a.target order by a.seq desc) as from_last
    from {{ ref('stg_export_attempts') }} as a
),

writes as (
    select
        x.*,
        row_number() over (partition by x.day, x.target, x.indicator_id order by x.seq desc) as from_last
    from {{ ref('fct_export') }} as x
    where {{ in_days('x.day') }}
)

select
    w.day,
    w.target,
    w.seq,
    w.indicator_type,
    w.value,
    w.action,
    w.decision,
    p.action as plan_action
from writes as w
inner join attempts as a on w.day = a.day and w.target = a.target and a.from_last = 1 and a.status = 'succeeded'
left join planned as p on w.day = p.day and w.indicator_id = p.indicator_id
where
    w.from_last = 1
    and w.action in ('add', 'update')
    and (
        coalesce(w.decision, '') = 'suppress'
        or (coalesce(w.decision, '') <> 'export' and coalesce(p.action, '') <> 'hold')
    )
