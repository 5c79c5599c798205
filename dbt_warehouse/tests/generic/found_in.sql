{# Every row written has its counterpart in the other model, by columns of the same names; a NULL has none. #}
{% test found_in(model, columns, to) %}

select distinct
    {% for column in columns -%}
    a.{{ column }},
    {% endfor -%}
    '{{ to.identifier }}' as not_found_in
from {{ model }} as a
left join {{ to }} as b
    on {% for column in columns %}a.{{ column }} = b.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- if 'day' in columns %} and {{ in_window_days('b.day') }}{% endif %}
where {{ in_window_days('a.day') }} and b.{{ columns[-1] }} is null

{% endtest %}
