{# What DuckDB, PostgreSQL and Spark spell differently. Models above staging use these and otherwise only what all three share. #}

{% macro type_double() -%}
    {{- return(adapter.dispatch('type_double', 'intelsec')()) -}}
{%- endmacro %}

{% macro default__type_double() -%} double precision {%- endmacro %}

{% macro spark__type_double() -%} double {%- endmacro %}

{# Texts as one, in alphabetical order by code point, separated by commas; NULL where there are none. #}
{% macro as_text_list(column) -%}
    {{- return(adapter.dispatch('as_text_list', 'intelsec')(column)) -}}
{%- endmacro %}

{% macro default__as_text_list(column) -%}
    string_agg({{ column }}, ', ' order by {{ column }})
{%- endmacro %}

{# the collation of a PostgreSQL database may order by another alphabet #}
{% macro postgres__as_text_list(column) -%}
    string_agg({{ column }}, ', ' order by {{ column }} collate "C")
{%- endmacro %}

{% macro spark__as_text_list(column) -%}
    nullif(array_join(array_sort(collect_list({{ column }})), ', '), '')
{%- endmacro %}

{# Ratio of two numbers as a double; NULL where there is nothing to divide by. #}
{% macro ratio(numerator, denominator) -%}
    cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0)
{%- endmacro %}

{# A number of points or a score with three digits, as text. Rounded by hand: engines differ about halves. #}
{% macro shown(column) -%}
    cast(cast(floor({{ column }} * 1000 + 0.5) / 1000 as decimal(9, 3)) as {{ dbt.type_string() }})
{%- endmacro %}

{# PostgreSQL takes a while to notice a new table, and plans joins of tables it knows nothing of as loops in loops. #}
{% macro take_statistics() -%}
    {{- return(adapter.dispatch('take_statistics', 'intelsec')()) -}}
{%- endmacro %}

{% macro default__take_statistics() -%}
{%- endmacro %}

{% macro postgres__take_statistics() -%}
    analyze {{ this }}
{%- endmacro %}
