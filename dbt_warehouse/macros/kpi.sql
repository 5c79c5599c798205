{# met or missed against the target; `insufficient` where there was nothing to judge by, `none` where nothing is promised. #}
{% macro kpi_status(value, n, target) -%}
    case
        when {{ target }} is null then 'none'
        when {{ value }} is null or {{ n }} = 0 then 'insufficient'
        when {{ value }} >= {{ target }} then 'met'
        else 'missed'
    end
{%- endmacro %}
