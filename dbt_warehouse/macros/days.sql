{# Conditions on a day: which rows this build reads and writes. The three kinds of incremental model each have one. #}

{# Days that are loaded: models whose rows of a day follow from that day's partitions alone. #}
{% macro in_days(column) -%}
    {{- among_days(column, var('days', [])) -}}
{%- endmacro %}

{# Days whose window reaches into the loaded days: models that look back a number of days. #}
{% macro in_window_days(column) -%}
    {{- among_days(column, var('window_days', [])) -}}
{%- endmacro %}

{# The same, and every later day if the past changed: models that look back to the beginning. #}
{% macro in_later_days(column) -%}
    {%- if var('past_changed', false) and var('window_days', []) -%}
        {{ column }} >= date '{{ var('window_days') | min }}'
    {%- else -%}
        {{- in_window_days(column) -}}
    {%- endif -%}
{%- endmacro %}

{# Days that the windows of var('window_days') are made of: those days and `back` days before each. #}
{% macro in_days_of_windows(column, back) -%}
    {{- among_days(column, with_days_before(var('window_days', []), back)) -}}
{%- endmacro %}

{# The same for models that look back to the beginning. #}
{% macro in_days_before_later_days(column, back) -%}
    {%- if var('past_changed', false) and var('window_days', []) -%}
        {{ column }} >= date '{{ with_days_before(var('window_days'), back) | min }}'
    {%- else -%}
        {{- in_days_of_windows(column, back) -}}
    {%- endif -%}
{%- endmacro %}

{# One range where the days follow one another: it is read faster, and shorter, than a list. #}
{% macro among_days(column, days) -%}
    {%- set ordered = days | map('string') | unique | sort -%}
    {%- if not ordered -%}
        1 = 0
    {%- elif days_apart(ordered[0], ordered[-1]) + 1 == ordered | length -%}
        {{ column }} between date '{{ ordered[0] }}' and date '{{ ordered[-1] }}'
    {%- else -%}
        {{ column }} in ({% for day in ordered %}date '{{ day }}'{{ ', ' if not loop.last }}{% endfor %})
    {%- endif -%}
{%- endmacro %}

{% macro days_apart(first, last) -%}
    {%- set parse = modules.datetime.datetime.strptime -%}
    {{- return((parse(last, '%Y-%m-%d') - parse(first, '%Y-%m-%d')).days) -}}
{%- endmacro %}

{% macro with_days_before(days, back) -%}
    {%- set found = [] -%}
    {%- for day in days -%}
        {%- set start = modules.datetime.datetime.strptime(day | string, '%Y-%m-%d') -%}
        {%- for number in range(back + 1) -%}
            {%- do found.append((start - modules.datetime.timedelta(days=number)).strftime('%Y-%m-%d')) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(found | unique | sort) -}}
{%- endmacro %}

{# A number of days after (or, if negative, before) a date, as a date. #}
{% macro days_after(column, number) -%}
    cast({{ column }} {{ '-' if number < 0 else '+' }} interval '{{ number | abs }}' day as date)
{%- endmacro %}

{# The instant at which a day ends, UTC, whatever the session's time zone. #}
{% macro end_of_day(column) -%}
    {{- return(adapter.dispatch('end_of_day', 'intelsec')(column)) -}}
{%- endmacro %}

{% macro default__end_of_day(column) -%}
    cast({{ column }} + interval '1' day as timestamp) at time zone 'UTC'
{%- endmacro %}

{# Spark's timestamps are instants, read in the session's time zone, which is UTC there by configuration. #}
{% macro spark__end_of_day(column) -%}
    cast({{ column }} + interval '1' day as timestamp)
{%- endmacro %}
