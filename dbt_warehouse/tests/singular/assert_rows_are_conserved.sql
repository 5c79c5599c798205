{%- set tables = [
    ('fct_rejected', 'stg_rejected_observations', 'partition_day'),
    ('fct_indicator_day', 'stg_indicator_scores', 'day'),
    ('fct_indicator_day', 'stg_indicators', 'day'),
    ('fct_feed_day', 'stg_feed_status', 'partition_day'),
    ('fct_export', 'stg_export_writes', 'partition_day'),
    ('fct_observation', 'stg_observations', 'partition_day'),
] %}

with counted as (
    {% for mart, lake_table, day in tables -%}
    select
        '{{ mart }}' as mart,
        '{{ lake_table }}' as lake_table,
        coalesce(m.day, l.day) as day,
        coalesce(l.number, 0) as rows_in_lake,
        coalesce(m.number, 0) as rows_in_mart
    from (
        select
            {{ day }} as day,
            count(*) as number
        from {{ ref(lake_table) }}
        group by {{ day }}
    ) as l
    full outer join (
        select
            day,
            count(*) as number
        from {{ ref(mart) }}
        where {{ in_days('day') }}
        group by day
    ) as m on l.day = m.day
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select *
from counted
where rows_in_lake <> rows_in_mart
