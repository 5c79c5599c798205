-- Whether a system is new for a principal, by what was known before the day: principal, asn, state.
-- Who assumes a role may name any source identity (`role#identity`), and a new one has no history: then the history of
-- the role, over all its identities, speaks.
with known as (
    select *, if(principal like 'arn:%', split_part(principal, '#', 1), principal) as role from context_before
),
history as (
    select principal, min(first_seen) as first_seen, sum(days_seen) as days from known group by principal
),
role_history as (
    select role, min(first_seen) as first_seen, sum(days_seen) as days from known group by role
),
-- two identities on one day are one day
role_asns as (
    select
        role,
        asn,
        least(sum(days_seen), 1 + date_diff('day', min(first_seen), max(last_seen))) as days_seen
    from known
    group by role, asn
)
select
    c.principal,
    c.asn,
    case
        when b.days_seen >= $known_after_days then 'known'
        when h.first_seen <= $warm_before::timestamptz and h.days >= $cold_days then 'new'
        when r.first_seen <= $warm_before::timestamptz and r.days >= $cold_days
         and coalesce(a.days_seen, 0) < $known_after_days then 'new'
        else 'cold_start'
    end as state
from (
    select distinct
        principal, asn, if(principal like 'arn:%', split_part(principal, '#', 1), principal) as role
    from {calls}
    where principal is not null and asn is not null
) as c
left join history as h using (principal)
left join known as b on b.principal = c.principal and b.asn = c.asn
left join role_history as r on r.role = c.role
left join role_asns as a on a.role = c.role and a.asn = c.asn
