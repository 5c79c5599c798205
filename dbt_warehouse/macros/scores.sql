{# What a score means. Sums of doubles differ in the last bits by how they are added up: bounds count as reached a hair below. #}

{% macro reaches(score, bound) -%}
    {{ score }} >= cast({{ bound }} as {{ type_double() }}) - cast(0.000000001 as {{ type_double() }})
{%- endmacro %}

{# The bands that targets are told. #}
{% macro score_band(score) -%}
    case when {{ reaches(score, 0.8) }} then 'high' when {{ reaches(score, 0.6) }} then 'medium' else 'low' end
{%- endmacro %}

{% macro is_high(score) -%}
    {{ reaches(score, 0.8) }}
{%- endmacro %}
