{# The parts add up to the total. Doubles: a sum of seven terms near 1 is exact to about 1e-15. #}
{% test sums_to(model, parts, total) %}

select
    {{ grain_of(model) | join(', ') }},
    {{ parts | join(', ') }},
    {{ parts | join(' + ') }} as sum_of_parts,
    {{ total }}
from {{ model }}
where
    {{ written_rows(true) }}
    and not (abs({{ parts | join(' + ') }} - {{ total }}) <= 0.000000001)

{% endtest %}
