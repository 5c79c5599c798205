{{ config(incremental_strategy='replace_days') }}

with standing as (
    select
        s.day,
        s.feed,
        count(s.indicator_id) as live_indicators,
        count(*) filter (where s.source_count = 1) as exclusive_indicators,
        count(*) filter (where s.source_count > 1) as shared_indicators,
        count(*) filter (where i.decision = 'export') as exported_indicators,
        count(*) filter (where {{ is_high('i.score') }}) as high_score_indicators,
        count(*) filter (where i.decision = 'suppress') as suppressed_indicators,
        percentile_cont(0.5) within group (order by i.score) as median_score
    from {{ ref('stg_indicator_sources') }} as s
    inner join {{ ref('stg_indicator_scores') }} as i on s.day = i.day and s.indicator_id = i.indicator_id
    where {{ in_days('s.day') }}
    group by s.day, s.feed
),

copies as (
    select
        o.day,
        o.feed,
        {{ as_text_list('o.other') }} as is_copy_of
    from {{ ref('stg_feed_overlaps') }} as o
    where o.is_copy and {{ in_days('o.day') }}
    group by o.day, o.feed
)

select
    s.day,
    s.feed,
    s.status,
    s.is_held,
    s.reason,
    s.rows_in,
    s.rows_kept,
    s.rows_rejected,
    s.listings,
    s.distinct_indicators,
    s.baseline_rows,
    s.unchanged_days,
    coalesce(t.live_indicators, 0) as live_indicators,
    coalesce(t.exclusive_indicators, 0) as exclusive_indicators,
    coalesce(t.shared_indicators, 0) as shared_indicators,
    coalesce(t.exported_indicators, 0) as exported_indicators,
    coalesce(t.high_score_indicators, 0) as high_score_indicators,
    coalesce(t.suppressed_indicators, 0) as suppressed_indicators,
    t.median_score,
    c.is_copy_of,
    s.snapshot_sha256
from {{ ref('stg_feed_status') }} as s
left join standing as t on s.day = t.day and s.feed = t.feed
left join copies as c on s.day = c.day and s.feed = c.feed
where {{ in_days('s.day') }}
