{{ config(incremental_strategy='replace_window_days') }}

with days as (
    select d.day
    from {{ ref('int_day') }} as d
    where {{ in_window_days('d.day') }}
),

-- each listing once for every window that it lies in
listed as (
    select
        d.day,
        o.day = d.day as is_of_day,
        o.feed,
        o.indicator_id,
        o.listings
    from {{ ref('fct_observation') }} as o
    inner join days as d on o.day between {{ days_after('d.day', -6) }} and d.day
    where {{ in_days_of_windows('o.day', 6) }}
),

counted as (
    select
        l.day,
        'feed' as scope,
        l.feed,
        sum(l.listings) as listings,
        count(distinct l.indicator_id) as distinct_indicators,
        sum(case when l.is_of_day then l.listings else 0 end) as listings_of_day,
        count(distinct l.indicator_id) filter (where l.is_of_day) as distinct_of_day
    from listed as l
    group by l.day, l.feed
    union all
    select
        l.day,
        'all' as scope,
        '' as feed,
        sum(l.listings) as listings,
        count(distinct l.indicator_id) as distinct_indicators,
        sum(case when l.is_of_day then l.listings else 0 end) as listings_of_day,
        count(distinct l.indicator_id) filter (where l.is_of_day) as distinct_of_day
    from listed as l
    group by l.day
),

-- a feed that lists nothing has its rows too: nothing to judge is said, not left out
spine as (
    select
        d.day,
        'all' as scope,
        '' as feed
    from days as d
    union all
    select
        f.day,
        'feed' as scope,
        f.feed
    from {{ ref('int_feed_day') }} as f
    inner join days as d on f.day = d.day
),

windows as (
    select
        s.day,
        s.scope,
        s.feed,
        'day' as window_name,
        s.day as window_start,
        coalesce(w.listings_of_day, 0) as listings,
        coalesce(w.distinct_of_day, 0) as distinct_indicators
    from spine as s
    left join counted as w on s.day = w.day and s.scope = w.scope and s.feed = w.feed
    union all
    select
        s.day,
        s.scope,
        s.feed,
        '7d' as window_name,
        {{ days_after('s.day', -6) }} as window_start,
        coalesce(w.listings, 0) as listings,
        coalesce(w.distinct_indicators, 0) as distinct_indicators
    from spine as s
    left join counted as w on s.day = w.day and s.scope = w.scope and s.feed = w.feed
),

measured as (
    select
        w.*,
        1 - {{ ratio('w.distinct_indicators', 'w.listings') }} as value,
        case when w.scope = 'all' then cast(0.3 as {{ type_double() }}) end as target
    from windows as w
)

select
    m.day,
    m.scope,
    m.feed,
    m.window_name,
    'dedup' as kpi,
    m.window_start,
    {{ days_after('m.day', 1) }} as window_end,
    m.value,
    cast(m.listings as bigint) as n,
    cast(m.listings - m.distinct_indicators as {{ type_double() }}) as numerator,
    cast(m.listings as {{ type_double() }}) as denominator,
    m.target,
    '>=' as comparator,
    {{ kpi_status('m.value', 'm.listings', 'm.target') }} as status,
    {{ end_of_day('m.day') }} as as_of
from measured as m
