-- matches that findings can be made of, an event once a day, with how many their rule has on it; which other days are
-- scanned changes nothing
create or replace temp table sigma_once as
with once as (
    select h.*, (event_time at time zone 'UTC')::date as day, f.flood_limit
    from sigma_hits h
    join sigma_firings f using (rule)
    qualify row_number() over (partition by h.rule, event_id, day order by event_time, pass, row) = 1
)
select *, count(*) over (partition by rule, day) > flood_limit as is_crowded
from once
where day in (select day from sigma_days) or not exists (from sigma_days);

-- of rules with more matches on a day than they may have: whom each is about, and the indicator of its event
create or replace temp table sigma_crowd (
    rule integer, pass integer, row bigint, "key" varchar, indicator_id varchar, indicator_score double
);
