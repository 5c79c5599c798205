{# The columns name a row: no two have the same. #}
{% test unique_grain(model, columns, by_day=true) %}

select
    {{ columns | join(', ') }},
    count(*) as rows_with_this_key
from {{ model }}
where {{ written_rows(by_day) }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
