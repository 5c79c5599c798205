{# In an increment of dim_indicator: a column as of the loaded days if they say anything (alias), else as the table has it (k). #}
{% macro fresh_or_known(alias, column, is_increment) -%}
    {%- if is_increment -%}
        case when {{ alias }}.indicator_id is not null then {{ alias }}.{{ column }} else k.{{ column }} end
    {%- else -%}
        {{ alias }}.{{ column }}
    {%- endif -%}
{%- endmacro %}
