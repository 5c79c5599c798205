{{ config(incremental_strategy='replace_days') }}

with buckets as (
    {% for bucket in range(10) -%}
    select {{ bucket }} as bucket{{ ' union all' if not loop.last }}
    {% endfor %}
),

decisions as (
    {% for decision in ['export', 'hold', 'suppress'] -%}
    select '{{ decision }}' as decision{{ ' union all' if not loop.last }}
    {% endfor %}
),

-- a score of 1 belongs to the highest bucket; one a hair below a bound has reached it
scored as (
    select
        i.day,
        i.decision,
        least(cast(floor(i.score * 10 + 0.00000001) as integer), 9) as bucket,
        count(i.indicator_id) as indicators
    from {{ ref('fct_indicator_day') }} as i
    where {{ in_days('i.day') }}
    group by i.day, i.decision, least(cast(floor(i.score * 10 + 0.00000001) as integer), 9)
),

live as (
    select
        s.day,
        sum(s.indicators) as indicators
    from scored as s
    group by s.day
)

select
    d.day,
    cast(b.bucket as {{ type_double() }}) / 10 as bucket_low,
    cast(b.bucket + 1 as {{ type_double() }}) / 10 as bucket_high,
    c.decision,
    'score_distribution' as kpi,
    d.day as window_start,
    {{ days_after('d.day', 1) }} as window_end,
    cast(coalesce(s.indicators, 0) as {{ type_double() }}) as value,
    cast(coalesce(l.indicators, 0) as bigint) as n,
    cast(coalesce(s.indicators, 0) as {{ type_double() }}) as numerator,
    cast(coalesce(l.indicators, 0) as {{ type_double() }}) as denominator,
    cast(null as {{ type_double() }}) as target,
    '>=' as comparator,
    'none' as status,
    {{ end_of_day('d.day') }} as as_of
from {{ ref('int_day') }} as d
cross join buckets as b
cross join decisions as c
left join scored as s on d.day = s.day and b.bucket = s.bucket and c.decision = s.decision
left join live as l on d.day = l.day
where {{ in_days('d.day') }}
