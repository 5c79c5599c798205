{{ config(incremental_strategy='replace_days') }}

select
    o.day,
    o.campaign,
    o.feed,
    i.indicator_id,
    min(least(o.first_seen, o.last_seen)) as first_seen,
    max(greatest(o.first_seen, o.last_seen)) as last_seen
from {{ ref('stg_observations') }} as o
inner join {{ ref('stg_indicators') }} as i
    on o.day = i.day and o.indicator_type = i.indicator_type and o.value = i.value
where {{ in_days('o.day') }} and o.campaign is not null
group by o.day, o.campaign, o.feed, i.indicator_id
