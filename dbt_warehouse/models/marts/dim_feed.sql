{{ config(materialized='table') }}

{%- set terms = ['title', 'publisher', 'licence', 'url', 'format', 'mode', 'trust', 'trust_weight', 'tlp', 'types', 'min_rows',
    'max_rows', 'max_shrink', 'max_unchanged_days', 'max_rejected'] %}

with days as (
    select
        d.day,
        row_number() over (order by d.day) as number,
        lead(d.day) over (order by d.day) as next_day
    from (
        select distinct t.day
        from {{ ref('int_feed_terms') }} as t
    ) as d
),

compared as (
    select
        t.*,
        d.number,
        d.next_day,
        lag(d.number) over (partition by t.feed order by t.day) as number_before,
        {%- for term in terms %}
        t.{{ term }} is distinct from lag(t.{{ term }}) over (partition by t.feed order by t.day) as has_new_{{ term }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_feed_terms') }} as t
    inner join days as d on t.day = d.day
),

marked as (
    select
        c.*,
        case
            when c.number_before is null then 'new'
            when c.number_before < c.number - 1 then 'back'
        end as arrival,
        {% for term in terms -%}
        case when c.has_new_{{ term }} then ', {{ term }}' else '' end{{ ' || ' if not loop.last }}
        {% endfor -%}
        as new_terms
    from compared as c
),

numbered as (
    select
        m.*,
        sum(case when m.arrival is not null or m.new_terms <> '' then 1 else 0 end)
            over (partition by m.feed order by m.day) as version
    from marked as m
),

spans as (
    select
        n.feed,
        n.version,
        min(n.day) as valid_from,
        max(n.day) as last_day
    from numbered as n
    group by n.feed, n.version
)

select
    n.feed,
    s.valid_from,
    d.next_day as valid_to,
    d.next_day is null as is_current,
    {%- for term in terms %}
    n.{{ term }},
    {%- endfor %}
    case
        when n.arrival = 'new' then 'new'
        when n.arrival = 'back' then 'back' || n.new_terms
        else substring(n.new_terms, 3)
    end as changed
from spans as s
inner join numbered as n on s.feed = n.feed and s.valid_from = n.day
inner join days as d on s.last_day = d.day
