-- PRINCIPAL_ASNS as of the end of $day: context_before (the day before, or the newest before a gap without events) and
-- what the calls of context_taught add.
with today as (
    select
        principal,
        "context.asn.number" as asn,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        count(*) as calls
    from context_taught
    where principal is not null
      and "context.asn.number" is not null
      and error_code is null
      and error_message is null
      and ocsf_status is distinct from 'Failure'
      and not coalesce("context.indicator.state" = 'match' and "context.indicator.decision" = 'export', false)
    group by all
)
select
    $day::date as day,
    principal,
    asn,
    least(b.first_seen, t.first_seen) as first_seen,
    greatest(b.last_seen, t.last_seen) as last_seen,
    (coalesce(b.days_seen, 0) + (t.calls is not null)::integer)::integer as days_seen,
    coalesce(b.weight * pow($decay, $day::date - b.day), 0) + coalesce(t.calls, 0) as weight
from context_before as b
full join today as t using (principal, asn)
where coalesce(b.weight * pow($decay, $day::date - b.day), 0) + coalesce(t.calls, 0) >= $least_weight
  and greatest(b.last_seen, t.last_seen) >= $oldest::timestamptz
