-- Rows of the state that are not as they were: touched today, or worth another number of independent sources than before.
create temp table state_changes_{run} as
with named as (
    select
        t.*,
        k.indicator_id as known_id,
        if(k.indicator_id is null, n.host, k.host) as host,
        if(k.indicator_id is null, h.registered_domain, k.registered_domain) as registered_domain,
        h.host_type,
        k.parent_ids as known_parents
    from state_touched_{run} as t
    left join state_known_{run} as k on t.indicator_type = k.indicator_type and t.value = k.value
    left join state_names_{run} as n on t.indicator_type = n.indicator_type and t.value = n.value
    left join state_hosts_{run} as h on n.host = h.host
)

select
    coalesce(n.known_id, {own_id}) as indicator_id,
    n.indicator_type,
    n.value,
    n.first_seen,
    n.last_seen,
    n.first_listed,
    n.last_listed,
    n.observations,
    n.sources,
    s.independent_sources,
    n.source_records,
    n.campaigns,
    n.families,
    n.threat_types,
    n.tags,
    n.confidence,
    n.tlp,
    n.host,
    n.registered_domain,
    coalesce(
        n.known_parents,
        (case when n.host is not null and n.indicator_type <> 'domain' then [{host_id}] else [] end)
        || (case when n.registered_domain <> n.host then [{registered_id}] else [] end)
    )::uuid[] as parent_ids
from named as n
join state_source_sets_{run} as s on n.sources = s.sources
union all by name
select l.* replace (s.independent_sources as independent_sources)
from state_live_{run} as l
join state_source_sets_{run} as s on l.sources = s.sources
anti join state_touched_{run} as t on l.indicator_type = t.indicator_type and l.value = t.value
where s.recount and l.independent_sources <> s.independent_sources
