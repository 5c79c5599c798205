-- The judgement that stands of each alert: the newest a person gave, unless it was withdrawn after it by reopening the alert.
-- Automation's judgements never stand; an import of an older judgement (its `at` is earlier) does not replace a newer one.
with ranked as (
    select
        *,
        row_number() over (partition by alert_id order by "at" desc, seq desc) as age
    from {dispositions}
    where (actor_kind = 'human' or verdict = 'withdrawn') and day <= {as_of}
)

select
    alert_id,
    rule_id,
    entity,
    indicator_ids,
    verdict,
    reason,
    actor,
    "at"
from ranked
where age = 1 and verdict <> 'withdrawn'
