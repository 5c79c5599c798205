{{ config(severity='warn') }}
select
    o.day,
    o.feed,
    count(*) as rows_with_it,
    min(o.file || ':' || cast(o.line as {{ dbt.type_string() }})) as one_of_them
from {{ ref('fct_observation') }} as o
where
    {{ in_days('o.day') }}
    and (o.first_seen > o.last_seen or o.last_seen > {{ end_of_day('o.day') }})
group by o.day, o.feed
