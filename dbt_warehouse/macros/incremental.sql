{#
    How an increment goes into a table. dbt's own delete+insert deletes the keys that the new rows have: of a day that has no rows any
    more it would keep the old ones. These delete what the model's condition (macros/days.sql) covers, whether or not rows came.
    Rows are inserted in the order of meta.sort_by, else of the grain, so that filters on day (and feed) skip what they do not need.
#}

{% macro get_incremental_replace_days_sql(arg_dict) %}
    {{ return(replace_rows(arg_dict, in_days('day'))) }}
{% endmacro %}

{% macro get_incremental_replace_window_days_sql(arg_dict) %}
    {{ return(replace_rows(arg_dict, in_window_days('day'))) }}
{% endmacro %}

{% macro get_incremental_replace_later_days_sql(arg_dict) %}
    {{ return(replace_rows(arg_dict, in_later_days('day'))) }}
{% endmacro %}

{# Tables without a day: the new rows take the place of those with their key; of everything if they are made from history. #}
{% macro get_incremental_replace_keys_sql(arg_dict) %}
    {%- if not only_adds_days() -%}
        {{ return(replace_rows(arg_dict, '1 = 1')) }}
    {%- endif -%}
    {%- set matches = [] -%}
    {%- for column in model.config.meta['grain'] -%}
        {%- do matches.append('fresh.' ~ column ~ ' = stored.' ~ column) -%}
    {%- endfor -%}
    {%- set condition -%}
        exists (select 1 from {{ arg_dict['temp_relation'] }} as fresh where {{ matches | join(' and ') }})
    {%- endset -%}
    {{ return(replace_rows(arg_dict, condition)) }}
{% endmacro %}

{#
    True if this build continues such a table: the loaded days lie after every day that its rows know of (meta.known_days). Else it is
    made anew from history: it is not there yet, the past changed, or a build that did not end well has been here before.
#}
{% macro only_adds_days() -%}
    {%- if not execute or not is_incremental() or var('past_changed', false) or not var('days', []) -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set reached = [] -%}
    {%- for column in model.config.meta['known_days'] -%}
        {%- do reached.append(column ~ " >= date '" ~ (var('days') | min) ~ "'") -%}
    {%- endfor -%}
    {{- return(run_query('select 1 as reached from ' ~ this ~ ' where ' ~ reached | join(' or ') ~ ' limit 1') | length == 0) -}}
{%- endmacro %}

{% macro replace_rows(arg_dict, condition) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }} as stored where {{ condition }};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
    {{ in_stored_order() }}
{% endmacro %}

{# dbt asks this for the rows of a new table with a contract: the same, in the order in which they are to lie. #}
{% macro default__get_select_subquery(sql) %}
    select {{ adapter.dispatch('get_column_names', 'dbt')() }}
    from (
        {{ sql }}
    ) as model_subq
    {{ in_stored_order() }}
{%- endmacro %}

{% macro in_stored_order() -%}
    {%- set meta = model.config.meta -%}
    {%- set columns = meta.get('sort_by', meta.get('grain', [])) -%}
    {%- if columns -%} order by {{ columns | join(', ') }} {%- endif -%}
{%- endmacro %}
