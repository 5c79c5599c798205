with of_feeds as (
    select
        f.day,
        f.feed,
        sum(f.listings) over (partition by f.feed order by f.day range between interval '6' day preceding and current row)
            as listings_7d,
        f.listings,
        f.distinct_indicators,
        f.is_held
    from {{ ref('fct_feed_day') }} as f
    where {{ in_days_of_windows('f.day', 6) }}
),

of_days as (
    select
        f.day,
        sum(f.listings) as listings,
        sum(f.listings_7d) as listings_7d,
        count(*) as feeds,
        count(*) filter (where not f.is_held) as healthy_feeds
    from of_feeds as f
    group by f.day
),

compared as (
    select
        'dedup: merged listings' as figure,
        k.day,
        k.feed || ', ' || k.window_name as of_what,
        k.numerator as in_kpi,
        cast(f.listings - f.distinct_indicators as {{ type_double() }}) as in_facts
    from {{ ref('kpi_dedup') }} as k
    inner join of_feeds as f on k.day = f.day and k.feed = f.feed
    where k.scope = 'feed' and k.window_name = 'day' and {{ in_window_days('k.day') }}
    union all
    select
        'dedup: listings' as figure,
        k.day,
        k.feed || ', ' || k.window_name as of_what,
        k.denominator as in_kpi,
        cast(case k.window_name when 'day' then f.listings else f.listings_7d end as {{ type_double() }}) as in_facts
    from {{ ref('kpi_dedup') }} as k
    inner join of_feeds as f on k.day = f.day and k.feed = f.feed
    where k.scope = 'feed' and {{ in_window_days('k.day') }}
    union all
    select
        'dedup: listings' as figure,
        k.day,
        'all feeds, ' || k.window_name as of_what,
        k.denominator as in_kpi,
        cast(d.listings as {{ type_double() }}) as in_facts
    from {{ ref('kpi_dedup') }} as k
    inner join of_days as d on k.day = d.day
    where k.scope = 'all' and k.window_name = 'day' and {{ in_window_days('k.day') }}
    union all
    select
        'feed health: healthy feeds' as figure,
        k.day,
        'all feeds' as of_what,
        k.numerator as in_kpi,
        cast(d.healthy_feeds as {{ type_double() }}) as in_facts
    from {{ ref('kpi_feed_health') }} as k
    inner join of_days as d on k.day = d.day
    where k.scope = 'all' and {{ in_window_days('k.day') }}
    union all
    select
        'score distribution: live indicators' as figure,
        k.day,
        'all buckets' as of_what,
        k.in_kpi,
        cast(coalesce(i.live_indicators, 0) as {{ type_double() }}) as in_facts
    from (
        select
            day,
            sum(value) as in_kpi
        from {{ ref('kpi_score_distribution') }}
        where {{ in_days('day') }}
        group by day
    ) as k
    left join (
        select
            day,
            count(*) as live_indicators
        from {{ ref('fct_indicator_day') }}
        where {{ in_days('day') }}
        group by day
    ) as i on k.day = i.day
    union all
    select
        'high score exported: held to date' as figure,
        k.day,
        'any target is at least ' || k.target_system as of_what,
        k.value as in_kpi,
        a.value as in_facts
    from {{ ref('kpi_high_score_exported') }} as k
    inner join {{ ref('kpi_high_score_exported') }} as a
        on k.day = a.day and k.window_name = a.window_name and a.target_system = 'any' and a.value < k.value
    where {{ in_window_days('k.day') }} and {{ in_window_days('a.day') }}
)

select *
from compared
where in_kpi <> in_facts
