{{ config(incremental_strategy='replace_days') }}

select
    s.day,
    s.indicator_id,
    s.indicator_type,
    s.value,
    s.score,
    s.decision,
    s.reason,
    s.model_version,
    s.source_trust,
    s.recency,
    s.hit_rate,
    s.cooccurrence,
    s.sandbox,
    s.warninglist,
    s.points_source_trust,
    s.points_recency,
    s.points_hit_rate,
    s.points_cooccurrence,
    s.points_sandbox,
    s.points_warninglist,
    s.points_clamp,
    i.source_count as sources,
    i.independent_sources,
    i.first_listed,
    i.last_listed,
    i.last_seen,
    i.tlp,
    p.action as plan_action,
    p.state as plan_state
from {{ ref('stg_indicator_scores') }} as s
left join {{ ref('stg_indicators') }} as i on s.day = i.day and s.indicator_id = i.indicator_id
left join {{ ref('stg_export_plan') }} as p on s.day = p.day and s.indicator_id = p.indicator_id
where {{ in_days('s.day') }}
