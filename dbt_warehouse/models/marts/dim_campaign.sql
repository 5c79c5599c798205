{{ config(materialized='table') }}

with named as (
    select
        c.campaign,
        c.indicator_id,
        min(c.day) as first_day,
        max(c.day) as last_day,
        min(c.first_seen) as first_seen,
        max(c.last_seen) as last_seen
    from {{ ref('int_campaign_listing') }} as c
    group by c.campaign, c.indicator_id
),

counted as (
    select
        n.campaign,
        min(n.first_day) as first_day,
        max(n.last_day) as last_day,
        count(n.indicator_id) as indicators,
        count(*) filter (where i.is_live) as live_indicators,
        count(*) filter (where i.is_live and i.decision = 'export') as exported_indicators,
        min(n.first_seen) as first_seen,
        max(n.last_seen) as last_seen,
        percentile_cont(0.5) within group (order by case when i.is_live then i.score end) as median_score
    from named as n
    left join {{ ref('dim_indicator') }} as i on n.indicator_id = i.indicator_id
    group by n.campaign
),

feeds as (
    select
        f.campaign,
        {{ as_text_list('f.feed') }} as feeds,
        count(f.feed) as feed_count
    from (
        select distinct
            c.campaign,
            c.feed
        from {{ ref('int_campaign_listing') }} as c
    ) as f
    group by f.campaign
)

select
    c.campaign,
    c.first_day,
    c.last_day,
    c.indicators,
    c.live_indicators,
    c.exported_indicators,
    f.feeds,
    f.feed_count,
    c.first_seen,
    c.last_seen,
    c.median_score
from counted as c
inner join feeds as f on c.campaign = f.campaign
