-- matches that findings can be made of, an event once a day, with how many their rule has on it; which other days are
-- scanned changes nothing
create or replace temp table sigma_once as
with once as (
    select
        rule, event_id, (event_time at time zone 'UTC')::date as day,
        min({'event_time': event_time, 'pass': pass, 'row': row}) as first_hit
    from sigma_hits
    group by all
),
counted as (
    select rule, day, any_value(f.flood_limit) as flood_limit, count(*) > any_value(f.flood_limit) as is_crowded
    from once
    join sigma_firings f using (rule)
    where day in (select day from sigma_days) or not exists (from sigma_days)
    group by rule, day
)
select o.rule, o.event_id, o.day, unnest(first_hit), flood_limit, is_crowded
from once o
join counted using (rule, day);

-- of rules with more matches on a day than they may have: whom each is about, and the indicator of its event
create or replace temp table sigma_crowd (
    rule integer, pass integer, row bigint, "key" varchar, indicator_id varchar, indicator_score double
);
