{# A figure follows from its parts: ratio kpis are numerator / denominator, counts are their numerator; the status follows from value, target and n; windows are half open and end with the day. #}
{% test kpi_follows(model, value) %}

select
    {{ grain_of(model) | join(', ') }},
    value,
    numerator,
    denominator,
    n,
    target,
    comparator,
    status,
    window_start,
    window_end
from {{ model }}
where
    {{ written_rows(true) }}
    and not (
        {% if value == 'ratio' -%}
        coalesce(abs(value - numerator / nullif(denominator, 0)) <= 0.000000001, value is null and denominator = 0)
        {%- else -%}
        coalesce(value = numerator, false)
        {%- endif %}
        and denominator = n
        and numerator <= denominator
        and status = case
            when target is null then 'none'
            when n = 0 then 'insufficient'
            when value >= target then 'met'
            else 'missed'
        end
        and comparator = '>='
        and window_start <= day
        and window_end = {{ days_after('day', 1) }}
        and as_of = {{ end_of_day('day') }}
    )

{% endtest %}
