{{ config(incremental_strategy='replace_later_days') }}

{%- set threshold = var('export_threshold') %}

with days as (
    select
        d.day,
        (select min(f.day) from {{ ref('int_day') }} as f) as first_day
    from {{ ref('int_day') }} as d
    where {{ in_later_days('d.day') }}
),

targets as (
    select 'files' as target_system
    union all
    select 'misp' as target_system
    union all
    select 'any' as target_system
),

high as (
    select
        i.day,
        i.indicator_id
    from {{ ref('fct_indicator_day') }} as i
    where {{ in_later_days('i.day') }} and {{ reaches('i.score', threshold) }}
),

written as (
    select
        x.day,
        t.target_system,
        count(distinct x.indicator_id) as indicators
    from {{ ref('fct_export') }} as x
    inner join targets as t on t.target_system in (x.target, 'any')
    where {{ in_later_days('x.day') }} and x.action in ('add', 'update') and {{ reaches('x.score', threshold) }}
    group by x.day, t.target_system
),

held as (
    select
        i.day,
        t.target_system,
        count(distinct i.indicator_id) as indicators
    from high as i
    inner join {{ ref('int_export_holding') }} as h
        on i.indicator_id = h.indicator_id
        and i.day >= h.held_from
        and (h.held_until is null or i.day < h.held_until)
    inner join targets as t on t.target_system in (h.target, 'any')
    group by i.day, t.target_system
),

candidates as (
    select
        i.day,
        count(i.indicator_id) as indicators
    from high as i
    group by i.day
),

measured as (
    select
        d.day,
        t.target_system,
        'day' as window_name,
        d.day as window_start,
        coalesce(w.indicators, 0) as value,
        coalesce(c.indicators, 0) as n
    from days as d
    cross join targets as t
    left join written as w on d.day = w.day and t.target_system = w.target_system
    left join candidates as c on d.day = c.day
    union all
    select
        d.day,
        t.target_system,
        'to_date' as window_name,
        d.first_day as window_start,
        coalesce(h.indicators, 0) as value,
        coalesce(c.indicators, 0) as n
    from days as d
    cross join targets as t
    left join held as h on d.day = h.day and t.target_system = h.target_system
    left join candidates as c on d.day = c.day
),

aimed as (
    select
        m.*,
        case when m.target_system = 'any' and m.window_name = 'to_date' then cast(100 as {{ type_double() }}) end as target
    from measured as m
)

select
    a.day,
    a.target_system,
    a.window_name,
    'high_score_exported' as kpi,
    a.window_start,
    {{ days_after('a.day', 1) }} as window_end,
    cast(a.value as {{ type_double() }}) as value,
    a.n,
    cast(a.value as {{ type_double() }}) as numerator,
    cast(a.n as {{ type_double() }}) as denominator,
    a.target,
    '>=' as comparator,
    {{ kpi_status('a.value', 'a.n', 'a.target') }} as status,
    {{ end_of_day('a.day') }} as as_of
from aimed as a
