-- what correlations find, and the events that it names
create or replace temp table sigma_bursts (
    burst bigint, rule integer, day date, group_values varchar[],
    first_time timestamptz, last_time timestamptz, event_ids varchar[], event_count bigint, value double
);
create or replace temp table sigma_burst_events (
    burst bigint, event_id varchar, event_time timestamptz, "values" map(varchar, varchar)
);
