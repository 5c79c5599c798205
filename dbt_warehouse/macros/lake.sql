{#
    A table of the lake: the partitions that this build loads, as var('lake') gives them. Where it gives none (unit tests, which put
    rows in the source's place), the source itself.
#}
{% macro lake(name) -%}
    {%- set relation = source('lake', name) -%}
    {{- var('lake', {}).get(name, relation) -}}
{%- endmacro %}
