-- what correlations find, and the events that it names
create or replace temp table sigma_bursts (
    burst bigint, rule integer, day date, group_values varchar[],
    first_time timestamptz, last_time timestamptz, event_ids varchar[], event_count bigint, value double
);
create or replace temp table sigma_burst_events (
    burst bigint, pass integer, event_id varchar, event_time timestamptz,
    account varchar, region varchar, source_address varchar, resource varchar, usual_entity varchar,
    indicator_id varchar, indicator_score double, "values" map(varchar, varchar)
);
