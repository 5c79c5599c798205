-- Whether a system is new for a principal, by what was known before the day: principal, asn, state.
with history as (
    select principal, min(first_seen) as first_seen, sum(days_seen) as days from context_before group by principal
)
select
    c.principal,
    c.asn,
    case
        when b.days_seen >= $known_after_days then 'known'
        when h.principal is null or h.first_seen > $warm_before::timestamptz or h.days < $cold_days then 'cold_start'
        else 'new'
    end as state
from (select distinct principal, asn from {calls} where principal is not null and asn is not null) as c
left join history as h using (principal)
left join context_before as b on b.principal = c.principal and b.asn = c.asn
