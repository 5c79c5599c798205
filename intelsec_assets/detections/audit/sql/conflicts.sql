-- Texts of ids under which there is more than one, in the order of their first delivery. `parts` holds what has landed.
select
    provider,
    event_id,
    event,
    sha256(event) as content
from parts
where
    (provider, event_id) in (
        select (provider, event_id) from parts
        group by provider, event_id
        having min(event) <> max(event)
    )
group by provider, event_id, event
order by provider, event_id, min((delivered_at, source, file, record)), event
