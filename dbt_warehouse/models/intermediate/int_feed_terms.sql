{{ config(incremental_strategy='replace_days') }}

select
    t.day,
    t.feed,
    t.title,
    t.publisher,
    t.licence,
    t.url,
    t.format,
    t.mode,
    t.trust,
    t.trust_weight,
    t.tlp,
    t.types,
    t.min_rows,
    t.max_rows,
    t.max_shrink,
    t.max_unchanged_days,
    t.max_rejected
from {{ ref('stg_feed_terms') }} as t
where {{ in_days('t.day') }}
