{{ config(incremental_strategy='replace_days') }}

{% for day in var('days') | map('string') | unique | sort -%}
select date '{{ day }}' as day
{{ 'union all' if not loop.last }}
{% else -%}
select cast(null as date) as day
where 1 = 0
{% endfor %}
