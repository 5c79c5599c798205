-- The judgement that stands of each alert: the newest a person gave, unless it was withdrawn by reopening the alert.
-- Automation's judgements never stand; an import of an older judgement (its `at` is earlier) does not replace a newer one.
with ranked as (
    select
        *,
        row_number() over (partition by alert_id order by "at" desc, seq desc) as age
    from {dispositions}
    where actor_kind = 'human' and day <= {as_of}
),

reopened as (
    select
        alert_id,
        max("at") as "at"
    from {events}
    where event = 'reopened' and day <= {as_of}
    group by alert_id
)

select
    r.alert_id,
    r.rule_id,
    r.entity,
    r.indicator_ids,
    r.verdict,
    r.reason,
    r.actor,
    r."at"
from ranked as r
left join reopened as o on r.alert_id = o.alert_id
where r.age = 1 and r.verdict <> 'withdrawn' and (o."at" is null or o."at" <= r."at")
