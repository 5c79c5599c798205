{{ config(incremental_strategy='replace_window_days') }}

with feed_days as (
    select
        f.day,
        f.feed,
        f.is_held
    from {{ ref('int_feed_day') }} as f
    where {{ in_days_of_windows('f.day', 6) }}
),

by_feed as (
    select
        t.day,
        'feed' as scope,
        t.feed,
        {{ days_after('t.day', -6) }} as window_start,
        count(*) as n,
        count(*) filter (where not w.is_held) as healthy
    from feed_days as t
    inner join feed_days as w on t.feed = w.feed and w.day between {{ days_after('t.day', -6) }} and t.day
    where {{ in_window_days('t.day') }}
    group by t.day, t.feed
),

over_all as (
    select
        d.day,
        'all' as scope,
        '' as feed,
        d.day as window_start,
        count(f.feed) as n,
        count(f.feed) filter (where not f.is_held) as healthy
    from {{ ref('int_day') }} as d
    left join feed_days as f on d.day = f.day
    where {{ in_window_days('d.day') }}
    group by d.day
),

measured as (
    select
        s.*,
        {{ ratio('s.healthy', 's.n') }} as value,
        cast(0.95 as {{ type_double() }}) as target
    from (
        select * from by_feed
        union all
        select * from over_all
    ) as s
)

select
    m.day,
    m.scope,
    m.feed,
    'feed_health' as kpi,
    m.window_start,
    {{ days_after('m.day', 1) }} as window_end,
    m.value,
    m.n,
    cast(m.healthy as {{ type_double() }}) as numerator,
    cast(m.n as {{ type_double() }}) as denominator,
    m.target,
    '>=' as comparator,
    {{ kpi_status('m.value', 'm.n', 'm.target') }} as status,
    {{ end_of_day('m.day') }} as as_of
from measured as m
