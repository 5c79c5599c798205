-- Samples side by side for one scan: each on days of its own, further from its neighbours than any window reaches.
create or replace temp table sample_events as
with spans as (
    select max(last - first) as longest
    from (select min(event_time) as first, max(event_time) as last from sample_rows group by sample)
),
steps as (
    select 2 + cast(ceil(epoch(longest + $window) / 86400) as integer) as days from spans
)
select rows.* replace (
    rows.sample || ':' || rows.event_id as event_id,
    rows.event_time + to_days(cast(rows.sample * steps.days as integer)) as event_time
)
from sample_rows as rows, steps;
