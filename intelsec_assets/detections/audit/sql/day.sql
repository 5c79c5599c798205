-- Events of a day, of one delivered several times the first delivery. `parts` holds what has landed, joined with the
-- ids of those events that came under the id of another.
select
    * exclude (of, id, content, new_id) replace (
        coalesce(new_id, event_id) as event_id,
        case when new_id is null then anomalies else list_sort(list_append(anomalies, 'id_conflict')) end as anomalies
    )
from parts
qualify
    row_number() over (
        partition by provider, coalesce(new_id, event_id)
        order by delivered_at, source, file, record, event, file_sha256, anomalies
    ) = 1
