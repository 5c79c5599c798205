{{ config(incremental_strategy='replace_days') }}

select
    o.day,
    o.feed,
    o.file,
    o.line,
    i.indicator_id,
    o.indicator_type,
    o.value,
    o.raw_value,
    o.campaign,
    o.threat_type,
    o.malware_family,
    o.confidence,
    o.tlp,
    o.listings,
    o.first_seen,
    o.last_seen,
    o.tags,
    o.canon_rules,
    o.snapshot_sha256
from {{ ref('stg_observations') }} as o
left join {{ ref('stg_indicators') }} as i
    on o.day = i.day and o.indicator_type = i.indicator_type and o.value = i.value
where {{ in_days('o.day') }}
