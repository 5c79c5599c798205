-- Distinct source sets of the merged state, how many indicators have each, and what yesterday's rows say they are worth.
create temp table state_sets_{run} as
with counted as (
    select sources, count(*) as indicators, min(independent_sources) as least, max(independent_sources) as most
    from state_live_{run}
    group by sources
    union all
    select sources, -count(*), null, null from state_known_{run} group by sources
    union all
    select sources, count(*), null, null from state_touched_{run} group by sources
)

select sources, sum(indicators)::bigint as indicators, min(least) as least, max(most) as most
from counted
group by sources
having sum(indicators) > 0
order by sources
