{{ config(incremental_strategy='replace_later_days') }}

with began as (
    select
        s.day,
        s.indicator_id
    from {{ ref('int_indicator_stay') }} as s
    where {{ in_later_days('s.day') }} and s.first_listed = s.day
),

been_here as (
    select distinct
        b.day,
        b.indicator_id
    from began as b
    inner join {{ ref('int_indicator_stay') }} as s on b.indicator_id = s.indicator_id and s.day < b.day
),

-- a feed without a claim saw it some time today: no earlier than anybody who says when
listed as (
    select
        o.day,
        o.feed,
        o.indicator_id,
        coalesce(min(least(o.first_seen, o.last_seen)), {{ end_of_day('o.day') }}) as sighted
    from {{ ref('fct_observation') }} as o
    inner join began as b on o.day = b.day and o.indicator_id = b.indicator_id
    left join been_here as h on o.day = h.day and o.indicator_id = h.indicator_id
    where {{ in_later_days('o.day') }} and h.indicator_id is null
    group by o.day, o.feed, o.indicator_id
),

compared as (
    select
        l.day,
        l.feed,
        l.indicator_id,
        l.sighted = min(l.sighted) over (partition by l.day, l.indicator_id) as is_first
    from listed as l
),

counted as (
    select
        c.day,
        c.feed,
        count(c.indicator_id) as new_indicators,
        count(*) filter (where c.is_first) as first_reported
    from compared as c
    group by c.day, c.feed
)

select
    f.day,
    f.feed,
    f.status,
    f.is_held,
    f.reason,
    f.rows_in,
    f.rows_kept,
    f.rows_rejected,
    f.listings,
    f.distinct_indicators,
    1 - {{ ratio('f.distinct_indicators', 'f.listings') }} as duplicate_ratio,
    {{ ratio('f.rows_rejected', 'f.rows_in') }} as rejected_ratio,
    f.baseline_rows,
    f.unchanged_days,
    coalesce(c.new_indicators, 0) as new_indicators,
    coalesce(c.first_reported, 0) as first_reported,
    f.live_indicators,
    f.exclusive_indicators,
    f.shared_indicators,
    f.exported_indicators,
    f.high_score_indicators,
    f.suppressed_indicators,
    f.median_score,
    f.is_copy_of,
    f.snapshot_sha256
from {{ ref('int_feed_day') }} as f
left join counted as c on f.day = c.day and f.feed = c.feed
where {{ in_later_days('f.day') }}
