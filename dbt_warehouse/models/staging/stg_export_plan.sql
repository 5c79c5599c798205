select
    p.partition_day as day,
    p.indicator_id,
    p.indicator_type,
    p.value,
    p.event,
    p.state,
    p.action,
    p.reason,
    p.first_exported,
    p.changed_on,
    p.score_band,
    p.tlp,
    p.content_hash
from {{ lake('export_plan') }} as p
