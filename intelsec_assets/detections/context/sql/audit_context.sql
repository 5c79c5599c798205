-- AUDIT_CONTEXT of $day: one row an event of {calls}.
select
    $day::date as day,
    c.provider,
    c.event_id,
    {ticket_state} as "context.ticket.state",
    t.ticket_id as "context.ticket.id",
    h.asn as "context.asn.number",
    h.org as "context.asn.org",
    h.country as "context.asn.country",
    coalesce(s.state, 'unknown') as "context.asn.state",
    case
        when not $judged then 'unknown'
        when m.id is not null then 'match'
        when c.source_address is null and c.source_service is null and c.source_text is not null then 'unknown'
        else 'none'
    end as "context.indicator.state",
    m.id as "context.indicator.id",
    m.value as "context.indicator.value",
    m.score as "context.indicator.score",
    m.decision as "context.indicator.decision",
    m.campaign as "context.indicator.campaign"
from {calls} as c
left join context_covered as t using (provider, event_id)
left join context_holders as h on h.text = c.source_address
left join context_states as s on s.principal = c.principal and s.asn = h.asn
left join context_matches as m on m.text = c.source_address
