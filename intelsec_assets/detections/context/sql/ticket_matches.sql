-- Events of {calls} that a ticket of context_tickets covers: provider, event_id, ticket_id.
-- Names, actors and targets are compared once each and then joined; the JSON of an event is read only for its targets,
-- and only where a ticket that names a target fits by name and time.
with kinds as materialized (
    select row_number() over () as kind_no, *
    from (
        select distinct
            provider, event_name, actor_arn, actor_user, actor_issuer_arn, principal, account, actor_account
        from {calls}
    )
    where event_name is not null
),
names as materialized (
    select n.provider, n.event_name, t.ticket_no
    from (select distinct provider, event_name from kinds) as n
    join context_tickets as t
      on t.system in ('*', n.provider) and lower(n.event_name) like t.action escape '!'
),
-- who acts, by what the provider says: the source identity behind a role's ARN is the caller's own word
actors as materialized (
    select kind_no, {foreign} as is_foreign, actor_account, {actor_texts} as actors
    from kinds
),
actor_texts as materialized (
    select distinct kind_no, is_foreign, actor_account, lower(text) as text, {sessionless} as sessionless
    from actors, unnest(actors) as u(text)
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
      on a.sessionless like t.requester escape '!'
     and (not a.is_foreign or contains(t.requester, lower(a.actor_account)))
),
fitting_kinds as materialized (
    select k.kind_no, t.ticket_no
    from kinds as k
    join names as n using (provider, event_name)
    join context_tickets as t on t.ticket_no = n.ticket_no and (t.account is null or t.account = lower(k.account))
    left join allowed as a on a.kind_no = k.kind_no and a.ticket_no = t.ticket_no
    where t.requester is null or a.ticket_no is not null
),
named as materialized (
    select c.provider, c.event_id, c.event_time, k.kind_no
    from {calls} as c
    join (select * from kinds semi join fitting_kinds using (kind_no)) as k
      on k.provider = c.provider
     and k.event_name = c.event_name
     and k.actor_arn is not distinct from c.actor_arn
     and k.actor_user is not distinct from c.actor_user
     and k.actor_issuer_arn is not distinct from c.actor_issuer_arn
     and k.principal is not distinct from c.principal
     and k.account is not distinct from c.account
     and k.actor_account is not distinct from c.actor_account
),
fitting as materialized (
    select e.provider, e.event_id, e.kind_no, t.ticket_no
    from named as e
    join fitting_kinds as f using (kind_no)
    join context_tickets as t on t.ticket_no = f.ticket_no and e.event_time between t.valid_from and t.valid_to
),
aimed as (
    select
        e.provider,
        e.event_id,
        [text for text in {targets} if text is not null] as targets,
        -- a call is on oneself if it names nobody and nothing, not if what it names is not understood
        if({names_nothing}, [text for text in a.actors if text is not null], []) as oneself
    from {events} as e
    join (
        select distinct provider, event_id, kind_no
        from fitting join context_tickets using (ticket_no)
        where target is not null
    ) as f using (provider, event_id)
    join actors as a using (kind_no)
),
target_texts as (
    select distinct provider, event_id, lower(text) as text, {sessionless} as sessionless
    from aimed, unnest(if(
        len(targets) = 0,
        oneself,
        list_concat(targets, [regexp_extract({sessionless}, '[^/:]+$') for text in targets])
    )) as u(text)
),
hit as (
    select x.provider, x.event_id, t.ticket_no
    from target_texts as x join context_tickets as t on t.target = x.text
    where not t.target_is_pattern
    union
    select x.provider, x.event_id, t.ticket_no
    from target_texts as x
    join fitting as f using (provider, event_id)
    join (select ticket_no, target from context_tickets where target_is_pattern) as t
      on t.ticket_no = f.ticket_no and x.sessionless like t.target escape '!'
),
covered as (
    select f.provider, f.event_id, f.ticket_no
    from fitting as f join context_tickets using (ticket_no)
    where target is null
    union all
    select f.provider, f.event_id, f.ticket_no from fitting as f join hit using (provider, event_id, ticket_no)
)
select provider, event_id, arg_min(ticket_id, (width, ticket_id)) as ticket_id
from covered
join context_tickets using (ticket_no)
group by provider, event_id
