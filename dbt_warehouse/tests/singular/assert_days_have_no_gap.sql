with neighbours as (
    select
        d.day,
        lag(d.day) over (order by d.day) as last_day_before
    from {{ ref('int_day') }} as d
)

select *
from neighbours
where last_day_before <> {{ days_after('day', -1) }}
