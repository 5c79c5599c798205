-- One figure a row. Views given by the caller: summary_status, summary_window (feed_status of the window's days),
-- summary_indicators, summary_scores, summary_plan; parameters: $day, $window_start.
with feeds as (
    unpivot (
        select
            feed,
            rows_in::double as rows_in,
            rows_kept::double as rows_kept,
            (rows_kept - distinct_indicators)::double as rows_merged,
            rows_rejected::double as rows_rejected,
            held::integer::double as held,
            case when listings > 0 then 1 - distinct_indicators / listings else 0 end as dedup_ratio
        from summary_status
    ) on columns(* exclude feed) into name metric value value
),
windows as (
    select 'day' as name, (select sum(rows_kept) from summary_status) as rows_kept,
        (select sum(listings) from summary_status) as listings,
        (select count(*) from summary_indicators where last_listed = $day) as distinct_indicators
    union all
    select 'window_7d', (select sum(rows_kept) from summary_window),
        (select sum(listings) from summary_window),
        (select count(*) from summary_indicators where last_listed >= $window_start)
),
dedup as (
    unpivot (
        select
            name,
            coalesce(rows_kept, 0)::double as rows_kept,
            coalesce(listings, 0)::double as listings,
            distinct_indicators::double as distinct_indicators,
            case when listings > 0 then 1 - distinct_indicators / listings else 0 end as dedup_ratio
        from windows
    ) on columns(* exclude name) into name metric value value
),
decisions as (
    select d.name, count(s.decision)::double as value
    from (values ('export'), ('hold'), ('suppress')) as d(name)
    left join summary_scores as s on s.decision = d.name
    group by all
),
actions as (
    select a.name, count(p.action)::double as value
    from (values ('add'), ('update'), ('keep'), ('hold'), ('withdraw'), ('gone')) as a(name)
    left join summary_plan as p on p.action = a.name
    group by all
)
select $day::date as day, 'feed' as section, feed as name, metric, value from feeds
union all select $day::date, 'dedup', name, metric, value from dedup
union all select $day::date, 'decision', name, 'indicators', value from decisions
union all select $day::date, 'plan', name, 'indicators', value from actions
union all select $day::date, 'dedup', 'live', 'indicators', count(*)::double from summary_indicators
