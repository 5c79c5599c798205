-- Events of {calls} that a ticket of context_tickets covers: event_id, ticket_id.
-- Names, actors and targets are compared once each and then joined; the JSON of an event is read only for its targets,
-- and only where a ticket that names a target fits by name and time.
with kinds as materialized (
    select
        row_number() over () as kind_no, provider, event_name, actor_arn, actor_user, actor_issuer_arn, principal
    from (select distinct provider, event_name, actor_arn, actor_user, actor_issuer_arn, principal from {calls})
    where event_name is not null
),
names as materialized (
    select n.provider, n.event_name, t.ticket_no
    from (select distinct provider, event_name from kinds) as n
    join context_tickets as t
      on t.system in ('*', n.provider) and lower(n.event_name) like t.action escape '!'
),
-- the source identity of a role's session stands behind the role's ARN
actor_texts as materialized (
    select distinct kind_no, lower(text) as text
    from kinds,
        unnest([actor_arn, actor_user, actor_issuer_arn, principal, nullif(split_part(principal, '#', 2), '')]) as u(text)
    where text is not null
),
allowed as (
    select a.kind_no, t.ticket_no
    from actor_texts as a join context_tickets as t on t.requester = a.text
    where not t.requester_is_pattern
    union
    select a.kind_no, t.ticket_no
    from actor_texts as a
    join (select ticket_no, requester from context_tickets where requester_is_pattern) as t
      on a.text like t.requester escape '!'
),
fitting_kinds as materialized (
    select kind_no, ticket_no
    from kinds join names using (provider, event_name) join allowed using (kind_no, ticket_no)
    union all
    select kind_no, ticket_no
    from kinds join names using (provider, event_name)
    join (select ticket_no from context_tickets where requester is null) using (ticket_no)
),
named as materialized (
    select c.event_id, c.event_time, k.kind_no
    from {calls} as c
    join (select * from kinds semi join fitting_kinds using (kind_no)) as k
      on k.provider = c.provider
     and k.event_name = c.event_name
     and k.actor_arn is not distinct from c.actor_arn
     and k.actor_user is not distinct from c.actor_user
     and k.actor_issuer_arn is not distinct from c.actor_issuer_arn
     and k.principal is not distinct from c.principal
),
fitting as materialized (
    select e.event_id, t.ticket_no
    from named as e
    join fitting_kinds as f using (kind_no)
    join context_tickets as t on t.ticket_no = f.ticket_no and e.event_time between t.valid_from and t.valid_to
),
aimed as (
    select
        e.event_id,
        [text for text in case e.provider {targets} else [] end if text is not null] as targets,
        [text for text in [
            e.actor_arn, e.actor_user, e.actor_issuer_arn, e.principal, nullif(split_part(e.principal, '#', 2), '')
        ] if text is not null] as actors
    from {events} as e
    semi join (
        select distinct event_id from fitting join context_tickets using (ticket_no) where target is not null
    ) as f using (event_id)
),
target_texts as (
    select distinct event_id, lower(text) as text
    from aimed, unnest(if(
        len(targets) = 0, actors, list_concat(targets, [regexp_extract(text, '[^/:]+$') for text in targets])
    )) as u(text)
),
hit as (
    select x.event_id, t.ticket_no
    from target_texts as x join context_tickets as t on t.target = x.text
    where not t.target_is_pattern
    union
    select x.event_id, t.ticket_no
    from target_texts as x
    join fitting as f using (event_id)
    join (select ticket_no, target from context_tickets where target_is_pattern) as t
      on t.ticket_no = f.ticket_no and x.text like t.target escape '!'
),
covered as (
    select f.event_id, f.ticket_no from fitting as f join context_tickets using (ticket_no) where target is null
    union all
    select f.event_id, f.ticket_no from fitting as f join hit using (event_id, ticket_no)
)
select event_id, arg_min(ticket_id, (width, ticket_id)) as ticket_id
from covered
join context_tickets using (ticket_no)
group by event_id
