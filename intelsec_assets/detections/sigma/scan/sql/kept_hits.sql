-- matches that findings are made of: all of a rule and day, or the first hundred of a flood; an event counts once
create or replace temp table sigma_kept as
with once as (
    select h.*, (event_time at time zone 'UTC')::date as day, f.flood_limit
    from sigma_hits h
    join sigma_firings f using (rule)
    qualify row_number() over (partition by h.rule, event_id order by event_time, pass, row) = 1
),
counted as (
    select
        rule, pass, row, day,
        count(*) over a_day as matches,
        count(*) over a_day > flood_limit as is_flood,
        row_number() over (a_day order by event_time, event_id) as place,
        min(event_time) over a_day as first_time,
        max(event_time) over a_day as last_time
    from once
    where day in (select day from sigma_days) or not exists (from sigma_days)
    window a_day as (partition by rule, day)
)
from counted
where not is_flood or place <= 100;

create or replace temp table sigma_shown (
    rule integer, day date, matches bigint, is_flood boolean, place bigint,
    first_time timestamptz, last_time timestamptz,
    event_id varchar, event_time timestamptz, "values" map(varchar, varchar)
);
