{{ config(severity='warn') }}
select
    f.day,
    count(*) as feeds,
    {{ as_text_list('f.feed') }} as held_feeds
from {{ ref('fct_feed_day') }} as f
where {{ in_days('f.day') }}
group by f.day
having count(*) filter (where not f.is_held) = 0
