{# What tests look at, and how what they find is shown. #}

{# The rows that this build wrote; everything in tables that have no day. #}
{% macro written_rows(by_day) -%}
    {%- if by_day -%} {{- in_window_days('day') -}} {%- else -%} 1 = 1 {%- endif -%}
{%- endmacro %}

{# Columns by which a person finds the row again: the grain of the model. #}
{% macro grain_of(relation) -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == relation.identifier -%}
            {{- return(node.config.meta['grain']) -}}
        {%- endfor -%}
    {%- endif -%}
    {{- return(['1']) -}}
{%- endmacro %}
