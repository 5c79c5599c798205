-- Indicators of which more is known than the state says: on a list, detonated, or with outcomes.
with strictest as (
    select
        indicator_id,
        min(struct_pack(
            mildness := len({policies}) - list_position({policies}, policy),
            list := list,
            entry := entry,
            policy := policy
        )) as hit
    from {hits}
    group by indicator_id
),

known as (
    select indicator_id from strictest
    union
    select indicator_id from {sandbox}
    union
    select indicator_id from {outcomes}
)

select
    i.*,
    s.hit.policy as policy,
    s.hit.list as list,
    s.hit.entry as entry,
    coalesce(v.verdict, 'unknown') as sandbox,
    coalesce(o.true_positives, 0)::bigint as true_positives,
    coalesce(o.dispositioned, 0)::bigint as dispositioned
from {indicators} as i
join known using (indicator_id)
left join strictest as s using (indicator_id)
left join {sandbox} as v using (indicator_id)
left join {outcomes} as o using (indicator_id)
