{{ config(incremental_strategy='replace_later_days') }}

{%- set components = ['source_trust', 'recency', 'hit_rate', 'cooccurrence', 'sandbox', 'warninglist'] %}
{%- set threshold = var('export_threshold') %}

with days as (
    select
        d.day,
        d.day = (select min(f.day) from {{ ref('int_day') }} as f) as is_first_day
    from {{ ref('int_day') }} as d
    where {{ in_later_days('d.day') }}
),

today as (
    select i.*
    from {{ ref('fct_indicator_day') }} as i
    where {{ in_later_days('i.day') }}
),

day_before as (
    select
        {{ days_after('i.day', 1) }} as next_day,
        i.*
    from {{ ref('fct_indicator_day') }} as i
    where {{ in_days_before_later_days('i.day', 1) }}
),

compared as (
    select
        d.day,
        d.is_first_day,
        coalesce(t.indicator_id, b.indicator_id) as indicator_id,
        coalesce(t.indicator_type, b.indicator_type) as indicator_type,
        coalesce(t.value, b.value) as value,
        case
            when b.indicator_id is null then 'entered'
            when t.indicator_id is null then 'left'
            when t.decision <> b.decision or {{ score_band('t.score') }} <> {{ score_band('b.score') }} then 'moved'
        end as change,
        b.score as score_before,
        t.score as score_after,
        b.decision as decision_before,
        t.decision as decision_after,
        {{ score_band('b.score') }} as band_before,
        {{ score_band('t.score') }} as band_after,
        {{ reaches('b.score', threshold) }} as reached_before,
        {{ reaches('t.score', threshold) }} as reached_after,
        b.tlp as tlp_before,
        t.tlp as tlp_after,
        b.model_version as model_before,
        t.model_version as model_after,
        b.last_listed as last_listed_before,
        {%- for component in components %}
        b.points_{{ component }} as {{ component }}_before,
        t.points_{{ component }} as {{ component }}_after,
        abs(t.points_{{ component }} - b.points_{{ component }}) as {{ component }}_step{{ ',' if not loop.last }}
        {%- endfor %}
    from today as t
    full outer join day_before as b on t.indicator_id = b.indicator_id and t.day = b.next_day
    inner join days as d on coalesce(t.day, b.next_day) = d.day
),

changed as (
    select
        c.*,
        greatest({% for component in components %}c.{{ component }}_step{{ ', ' if not loop.last }}{% endfor %}) as largest_step
    from compared as c
    where c.change is not null
),

-- the few that came in: had they been here before, and who lists them
entered as (
    select
        c.day,
        c.indicator_id,
        min(s.first_listed) as first_listed,
        min(l.sources) as sources
    from changed as c
    left join {{ ref('int_indicator_stay') }} as s on c.indicator_id = s.indicator_id and s.day < c.day
    left join {{ ref('int_indicator_listed') }} as l on c.indicator_id = l.indicator_id and c.day = l.day
    where c.change = 'entered'
    group by c.day, c.indicator_id
),

explained as (
    select
        c.*,
        e.sources,
        e.first_listed,
        case
            when c.change = 'left' then 'retired'
            when c.change = 'entered' and c.is_first_day then 'first_day'
            when c.change = 'entered' and e.first_listed is not null then 'listed_again'
            when c.change = 'entered' then 'first_listed'
            when c.model_before <> c.model_after then 'model'
            -- suppressing is the work of lists alone, whatever else moved that day
            when (c.decision_before = 'suppress') <> (c.decision_after = 'suppress') then 'warninglist'
            -- another decision about a score on the same side of the threshold has another reason than points
            when c.decision_before <> c.decision_after and c.reached_before = c.reached_after
                then case when c.tlp_before <> c.tlp_after then 'tlp' else 'policy' end
            {%- for component in components %}
            when c.{{ component }}_step >= c.largest_step then '{{ component }}'
            {%- endfor %}
        end as cause
    from changed as c
    left join entered as e on c.day = e.day and c.indicator_id = e.indicator_id
)

select
    x.day,
    x.indicator_id,
    x.indicator_type,
    x.value,
    x.change,
    x.cause,
    case x.cause
        when 'retired' then 'last listed ' || cast(x.last_listed_before as {{ dbt.type_string() }})
        when 'first_day' then 'live on the first day here; listed by ' || coalesce(x.sources, 'nobody')
        when 'first_listed' then 'listed by ' || coalesce(x.sources, 'nobody')
        when 'listed_again'
            then 'listed by ' || coalesce(x.sources, 'nobody') || '; first listed here '
                || cast(x.first_listed as {{ dbt.type_string() }})
        else
            'score ' || {{ shown('x.score_before') }} || ' to ' || {{ shown('x.score_after') }}
            || case when x.band_before <> x.band_after then ' (' || x.band_before || ' to ' || x.band_after || ')' else '' end
            || case
                when x.decision_before <> x.decision_after
                    then '; decision ' || x.decision_before || ' to ' || x.decision_after
                else ''
            end
            || case x.cause
                when 'model' then '; model ' || x.model_before || ' to ' || x.model_after
                when 'tlp' then '; TLP ' || x.tlp_before || ' to ' || x.tlp_after
                {%- for component in components %}
                when '{{ component }}'
                    then '; points for {{ component }} ' || {{ shown('x.' ~ component ~ '_before') }} || ' to '
                        || {{ shown('x.' ~ component ~ '_after') }}
                {%- endfor %}
                else ''
            end
    end as detail,
    x.score_before,
    x.score_after,
    x.decision_before,
    x.decision_after
from explained as x
