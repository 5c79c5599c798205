{{ config(incremental_strategy='replace_window_days') }}

with days as (
    select d.day
    from {{ ref('int_day') }} as d
    where {{ in_window_days('d.day') }}
),

listed as (
    select
        o.day,
        o.feed,
        o.indicator_id,
        sum(o.listings) as listings
    from {{ ref('fct_observation') }} as o
    where {{ in_days_of_windows('o.day', 6) }}
    group by o.day, o.feed, o.indicator_id
),

scoped as (
    select
        l.day,
        'feed' as scope,
        l.feed,
        l.indicator_id,
        l.listings
    from listed as l
    union all
    select
        l.day,
        'all' as scope,
        '' as feed,
        l.indicator_id,
        sum(l.listings) as listings
    from listed as l
    group by l.day, l.indicator_id
),

followed as (
    select
        s.day,
        s.scope,
        s.feed,
        s.listings,
        lead(s.day) over (partition by s.scope, s.feed, s.indicator_id order by s.day) as next_day
    from scoped as s
),

-- In the window that ends `back` days after a listing an indicator counts once: for the last time it was listed.
backs as (
    select 0 as back
    {% for back in range(1, 7) -%}
    union all
    select {{ back }} as back
    {% endfor %}
),

by_window_end as (
    select
        {{ days_after_column('f.day', 'b.back') }} as day,
        f.scope,
        f.feed,
        sum(f.listings) as listings,
        count(*) filter (where f.next_day is null or f.next_day > {{ days_after_column('f.day', 'b.back') }}) as distinct_indicators,
        sum(case when b.back = 0 then f.listings else 0 end) as listings_of_day,
        count(*) filter (where b.back = 0) as distinct_of_day
    from followed as f
    cross join backs as b
    group by {{ days_after_column('f.day', 'b.back') }}, f.scope, f.feed
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
    left join by_window_end as w on s.day = w.day and s.scope = w.scope and s.feed = w.feed
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
    left join by_window_end as w on s.day = w.day and s.scope = w.scope and s.feed = w.feed
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
