with newest as (
    select i.*
    from {{ ref('fct_indicator_day') }} as i
    where i.day = (select max(d.day) from {{ ref('int_day') }} as d)
)

select
    coalesce(n.indicator_type, d.indicator_type) as indicator_type,
    coalesce(n.value, d.value) as value,
    d.last_day_live,
    d.score as score_in_dimension,
    n.score as score_of_newest_day
from newest as n
full outer join (
    select *
    from {{ ref('dim_indicator') }}
    where is_live
) as d on n.indicator_id = d.indicator_id
where n.score is null or d.score is null or n.score <> d.score or n.day <> d.last_day_live
