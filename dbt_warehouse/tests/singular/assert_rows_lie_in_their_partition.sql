{%- set tables = ['rejected_observations', 'feed_status', 'feed_terms', 'warninglist_terms', 'export_attempts', 'export_writes',
    'observations'] %}

{% for name in tables -%}
select
    '{{ name }}' as lake_table,
    partition_day,
    day,
    count(*) as rows_with_it
from {{ ref('stg_' ~ name) }}
where day is null or day <> partition_day
group by partition_day, day
{{ 'union all' if not loop.last }}
{% endfor %}
