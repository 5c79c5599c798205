{{ config(incremental_strategy='replace_keys') }}

{#- A normal day touches what is live on it; what was known of the others stays as it is. If the past changed, everything is read
    again from the history that is kept: days of life, days of listing, beginnings of stays. #}
{%- set is_increment = only_adds_days() %}

with lives as (
    select
        i.indicator_id,
        max(i.day) as last_day_live
    from {{ ref('fct_indicator_day') }} as i
    {% if is_increment -%}
    where {{ in_days('i.day') }}
    {%- endif %}
    group by i.indicator_id
),

newest as (
    select max(d.day) as day
    from {{ ref('int_day') }} as d
),

last_rows as (
    select i.*
    from {{ ref('fct_indicator_day') }} as i
    inner join lives as l on i.indicator_id = l.indicator_id and i.day = l.last_day_live
    {% if is_increment -%}
    where {{ in_days('i.day') }}
    {%- endif %}
),

listing_days as (
    select
        l.indicator_id,
        max(g.day) as day
    from lives as l
    inner join {{ ref('int_indicator_listed') }} as g on l.indicator_id = g.indicator_id and g.day <= l.last_day_live
    {% if is_increment -%}
    where {{ in_days('g.day') }}
    {%- endif %}
    group by l.indicator_id
),

listings as (
    select g.*
    from {{ ref('int_indicator_listed') }} as g
    inner join listing_days as d on g.indicator_id = d.indicator_id and g.day = d.day
    {% if is_increment -%}
    where {{ in_days('g.day') }}
    {%- endif %}
),

stay_days as (
    select
        l.indicator_id,
        max(s.day) as day
    from lives as l
    inner join {{ ref('int_indicator_stay') }} as s on l.indicator_id = s.indicator_id and s.day <= l.last_day_live
    {% if is_increment -%}
    where {{ in_days('s.day') }}
    {%- endif %}
    group by l.indicator_id
),

stays as (
    select s.*
    from {{ ref('int_indicator_stay') }} as s
    inner join stay_days as d on s.indicator_id = d.indicator_id and s.day = d.day
    {% if is_increment -%}
    where {{ in_days('s.day') }}
    {%- endif %}
)

select
    r.indicator_id,
    r.indicator_type,
    r.value,
    {{ fresh_or_known('s', 'host', is_increment) }} as host,
    {{ fresh_or_known('s', 'registered_domain', is_increment) }} as registered_domain,
    r.day = n.day as is_live,
    r.first_listed,
    r.last_listed,
    r.day as last_day_live,
    {{ fresh_or_known('g', 'first_seen', is_increment) }} as first_seen,
    r.last_seen,
    {{ fresh_or_known('g', 'observations', is_increment) }} as observations,
    {{ fresh_or_known('g', 'sources', is_increment) }} as sources,
    {{ fresh_or_known('g', 'source_count', is_increment) }} as source_count,
    r.independent_sources,
    {{ fresh_or_known('g', 'campaigns', is_increment) }} as campaigns,
    {{ fresh_or_known('g', 'families', is_increment) }} as families,
    {{ fresh_or_known('g', 'threat_types', is_increment) }} as threat_types,
    r.tlp,
    {{ fresh_or_known('g', 'confidence', is_increment) }} as confidence,
    r.score,
    r.decision,
    r.warninglist
from last_rows as r
cross join newest as n
left join listings as g on r.indicator_id = g.indicator_id
left join stays as s on r.indicator_id = s.indicator_id
{%- if is_increment %}
left join {{ this }} as k on r.indicator_id = k.indicator_id
union all
-- live until the day before, and no longer
select
    k.indicator_id,
    k.indicator_type,
    k.value,
    k.host,
    k.registered_domain,
    false as is_live,
    k.first_listed,
    k.last_listed,
    k.last_day_live,
    k.first_seen,
    k.last_seen,
    k.observations,
    k.sources,
    k.source_count,
    k.independent_sources,
    k.campaigns,
    k.families,
    k.threat_types,
    k.tlp,
    k.confidence,
    k.score,
    k.decision,
    k.warninglist
from {{ this }} as k
left join lives as l on k.indicator_id = l.indicator_id
where k.is_live and l.indicator_id is null
{%- endif %}
