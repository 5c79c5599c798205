{{ config(incremental_strategy='replace_days') }}

select
    r.day,
    r.feed,
    r.file,
    r.line,
    r.reason,
    r.detail,
    r.raw_value,
    r.snapshot_sha256
from {{ ref('stg_rejected_observations') }} as r
where {{ in_days('r.day') }}
