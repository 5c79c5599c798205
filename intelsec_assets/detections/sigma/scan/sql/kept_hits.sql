-- matches that findings are made of: all of a rule and day, or the first hundred of each flood.
-- Where a rule has more matches on a day than it may, those of the noisiest become one flood each until what is left is
-- few enough; only if there are too many to tell apart, all are one flood
create or replace temp table sigma_scoped as
with keys as (
    select o.rule, o.day, c."key", any_value(o.flood_limit) as flood_limit, count(*) as matches
    from sigma_once o
    join sigma_crowd c using (rule, pass, row)
    group by all
),
ranked as (
    select
        rule, day, "key", matches, flood_limit,
        sum(matches) over (partition by rule, day) as total,
        count(*) over (partition by rule, day) as ones,
        coalesce(sum(matches - 1) over (
            partition by rule, day order by matches desc, "key" rows between unbounded preceding and 1 preceding
        ), 0) as spared
    from keys
),
judged as (
    select
        rule, day, "key", ones > flood_limit as is_whole,
        ones > flood_limit or (matches > 1 and total - spared > flood_limit) as is_flood
    from ranked
)
select
    o.rule, o.pass, o.row, o.day, o.event_id, o.event_time,
    coalesce(j.is_flood, false) as is_flood, coalesce(j.is_whole, false) as is_whole,
    case when j.is_flood and not j.is_whole then c."key" else '' end as scope,
    c.indicator_id, c.indicator_score
from sigma_once o
left join sigma_crowd c using (rule, pass, row)
left join judged j on j.rule = o.rule and j.day = o.day and j."key" = c."key"
where o.is_crowded;

create or replace temp table sigma_floods as
select
    rule, day, scope, count(*) as matches, min(event_time) as first_time, max(event_time) as last_time,
    coalesce(list_sort(list(distinct indicator_id) filter (indicator_id is not null))[1:100], []) as indicator_ids,
    max(indicator_score) as indicator_score
from sigma_scoped
where is_flood
group by all;

create or replace temp table sigma_kept as
select rule, pass, row, day, false as is_flood, false as is_whole, '' as scope, null::bigint as place
from sigma_once
where not is_crowded
union all
select
    rule, pass, row, day, is_flood, is_whole, scope,
    row_number() over (partition by rule, day, is_flood, scope order by event_time, event_id) as place
from sigma_scoped
qualify not is_flood or place <= 100;

-- events that floods name
create or replace temp table sigma_shown (
    rule integer, day date, is_whole boolean, scope varchar, place bigint, event_id varchar,
    usual_entity varchar, is_unknown boolean, "values" map(varchar, varchar)
);

-- findings before it is said what their rule says: of events, and of floods of events
create or replace temp table sigma_drafts (
    rule integer, day date, kind varchar, group_text varchar, first_event varchar, "group" map(varchar, varchar),
    first_event_time timestamptz, last_event_time timestamptz, event_ids varchar[], event_count bigint,
    account varchar, region varchar, source_address varchar, resource varchar, usual_entity varchar,
    indicator_ids varchar[], indicator_score double, value double,
    "values" map(varchar, varchar), is_unknown boolean, is_whole boolean
);
