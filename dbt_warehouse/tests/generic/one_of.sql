{# The column holds nothing but these values; whether it may be NULL is not asked here. #}
{% test one_of(model, column_name, values, by_day=true) %}

select
    '{{ column_name }}' as column_name,
    {{ column_name }} as found,
    '{{ values | join(', ') }}' as expected,
    count(*) as rows_with_it
from {{ model }}
where
    {{ written_rows(by_day) }}
    and {{ column_name }} not in ({% for value in values %}'{{ value }}'{{ ', ' if not loop.last }}{% endfor %})
group by {{ column_name }}

{% endtest %}
