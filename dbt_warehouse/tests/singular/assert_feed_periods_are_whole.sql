select
    t.feed,
    t.day,
    count(f.feed) as periods
from {{ ref('int_feed_terms') }} as t
left join {{ ref('dim_feed') }} as f
    on t.feed = f.feed and t.day >= f.valid_from and (f.valid_to is null or t.day < f.valid_to)
where {{ in_window_days('t.day') }}
group by t.feed, t.day
having count(f.feed) <> 1
