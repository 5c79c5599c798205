with kept as (
    select
        o.day,
        o.feed,
        count(*) as rows_found,
        sum(o.listings) as listings_found,
        count(distinct o.indicator_id) as indicators_found
    from {{ ref('fct_observation') }} as o
    where {{ in_days('o.day') }}
    group by o.day, o.feed
),

rejected as (
    select
        r.day,
        r.feed,
        count(*) as rows_found
    from {{ ref('fct_rejected') }} as r
    where {{ in_days('r.day') }}
    group by r.day, r.feed
),

counted as (
    select
        f.day,
        f.feed,
        f.rows_in,
        f.rows_kept,
        coalesce(k.rows_found, 0) as rows_kept_found,
        f.rows_rejected,
        coalesce(r.rows_found, 0) as rows_rejected_found,
        f.listings,
        coalesce(k.listings_found, 0) as listings_found,
        f.distinct_indicators,
        coalesce(k.indicators_found, 0) as distinct_indicators_found
    from {{ ref('fct_feed_day') }} as f
    left join kept as k on f.day = k.day and f.feed = k.feed
    left join rejected as r on f.day = r.day and f.feed = r.feed
    where {{ in_days('f.day') }}
)

select *
from counted
where
    rows_in <> rows_kept + rows_rejected
    or rows_kept <> rows_kept_found
    or rows_rejected <> rows_rejected_found
    or listings <> listings_found
    or distinct_indicators <> distinct_indicators_found
