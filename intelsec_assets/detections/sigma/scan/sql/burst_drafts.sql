-- findings of correlations: what is shown is that of a burst's first event; a flood of bursts is one finding
insert into sigma_drafts
with kept as (
    select
        b.*, count(*) over a_day as bursts, count(*) over a_day > f.flood_limit as is_flood,
        row_number() over (a_day order by first_time, group_values) as place,
        min(first_time) over a_day as day_first, max(last_time) over a_day as day_last,
        f.states, f.group_by
    from sigma_bursts b
    join sigma_firings f using (rule)
    window a_day as (partition by rule, day)
),
told as (
    select
        burst,
        list(distinct indicator_id order by indicator_id) filter (indicator_id is not null) as indicator_ids,
        max(indicator_score) as indicator_score,
        bool_or(len(list_filter(states, lambda name: "values"[name] = 'unknown')) > 0) as is_unknown
    from sigma_burst_events
    join kept using (burst)
    group by burst
),
first_event_rows as (
    select *
    from sigma_burst_events
    qualify rank() over (partition by burst order by event_time, event_id) = 1
),
-- an event that rules of several passes match has fields in each of them
first_events as (
    select
        burst, min(account) as account, min(region) as region, min(source_address) as source_address,
        min(resource) as resource, min(usual_entity) as usual_entity,
        list_reduce(list("values" order by pass), lambda one, other: map_concat(one, other)) as "values"
    from first_event_rows
    group by burst
)
select
    k.rule, k.day, 'correlation', to_json(k.group_values)::varchar,
    k.event_ids[1] || ' ' || (k.first_time at time zone 'UTC')::date, map(k.group_by, k.group_values),
    k.first_time, k.last_time, k.event_ids, k.event_count,
    e.account, e.region, e.source_address, e.resource, e.usual_entity,
    coalesce(t.indicator_ids, []), t.indicator_score, k.value,
    coalesce(e."values", map([]::varchar[], []::varchar[])), coalesce(t.is_unknown, false), false
from kept k
left join told t using (burst)
left join first_events e using (burst)
where not k.is_flood
union all
select
    k.rule, k.day, 'flood', 'flood ' || k.day || ' ' || length(bin(any_value(k.bursts))), '', map([]::varchar[], []::varchar[]),
    any_value(k.day_first), any_value(k.day_last),
    list(k.event_ids[1] order by k.place) filter (k.place <= 100), any_value(k.bursts),
    null, null, null, null, null,
    coalesce(list_sort(list_distinct(flatten(list(t.indicator_ids) filter (t.indicator_ids is not null))))[1:100], []),
    max(t.indicator_score), null,
    arg_min(e."values", k.place), coalesce(bool_or(t.is_unknown), false), true
from kept k
left join told t using (burst)
left join first_events e using (burst)
where k.is_flood
group by k.rule, k.day;
