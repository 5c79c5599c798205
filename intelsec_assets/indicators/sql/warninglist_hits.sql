-- Matches as hits: only types the list speaks about, a host's popularity capped at `annotate`, one row an indicator and list.
with ranked as (
    select
        m.indicator_id,
        s.list,
        min(struct_pack(
            policy_rank := if(m.of_host and p.policy <> 'protect', mildest, s.policy_rank),
            distance := m.distance,
            entry := m.entry
        )) as best
    from warninglist_matches as m
    join warninglist_scopes as s using (list_no, indicator_type)
    join warninglist_policies as p using (policy_rank)
    cross join (select max(policy_rank) as mildest from warninglist_policies)
    group by all
)
select r.indicator_id, r.list, p.policy, r.best.entry as entry
from ranked as r
join warninglist_policies as p on p.policy_rank = r.best.policy_rank
