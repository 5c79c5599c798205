{{ config(incremental_strategy='replace_days') }}

with hits as (
    select
        h.day,
        h.list,
        h.indicator_id,
        h.policy,
        h.policy in ('block', 'protect') as is_blocking,
        h.policy <> 'annotate' as is_judging,
        sum(case when h.policy in ('block', 'protect') then 1 else 0 end)
            over (partition by h.day, h.indicator_id) as blocking_lists,
        sum(case when h.policy <> 'annotate' then 1 else 0 end)
            over (partition by h.day, h.indicator_id) as judging_lists,
        i.decision,
        i.points_source_trust + i.points_recency + i.points_hit_rate + i.points_cooccurrence + i.points_sandbox
            as points_without_list
    from {{ ref('stg_warninglist_hits') }} as h
    inner join {{ ref('stg_indicator_scores') }} as i on h.day = i.day and h.indicator_id = i.indicator_id
    where {{ in_days('h.day') }}
),

counted as (
    select
        h.day,
        h.list,
        min(h.policy) as policy,
        count(h.indicator_id) as live_hits,
        count(*) filter (where h.is_blocking and h.blocking_lists = 1) as sole_block_hits,
        count(*) filter (
            where h.is_judging
            and h.judging_lists = 1
            and h.decision <> 'export'
            and {{ reaches('h.points_without_list', var('export_threshold')) }}
        ) as suppressed_exportable
    from hits as h
    group by h.day, h.list
),

terms as (
    select
        t.day,
        t.list,
        t.policy,
        t.reason,
        t.title,
        t.types,
        t.entries
    from {{ ref('stg_warninglist_terms') }} as t
    where {{ in_days('t.day') }}
)

-- days that are older than the terms have hits all the same
select
    coalesce(t.day, c.day) as day,
    coalesce(t.list, c.list) as list,
    coalesce(t.policy, c.policy) as policy,
    t.reason,
    t.title,
    t.types,
    t.entries,
    coalesce(c.live_hits, 0) as live_hits,
    coalesce(c.sole_block_hits, 0) as sole_block_hits,
    coalesce(c.suppressed_exportable, 0) as suppressed_exportable
from terms as t
full outer join counted as c on t.day = c.day and t.list = c.list
