{# Each of the columns lies within the bounds, where it is not NULL. Doubles may miss a bound by a hair. #}
{% test all_within(model, columns, low, high=none, by_day=true) %}

{%- set key = grain_of(model) | join(', ') %}
{% for column in columns %}
select
    {{ key }},
    '{{ column }}' as column_name,
    cast({{ column }} as {{ type_double() }}) as found,
    '{{ low }} to {{ 'any' if high is none else high }}' as expected
from {{ model }}
where
    {{ written_rows(by_day) }}
    and not (
        {{ column }} >= {{ low }} - 0.000000001
        {%- if high is not none %} and {{ column }} <= {{ high }} + 0.000000001{% endif %}
    )
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
