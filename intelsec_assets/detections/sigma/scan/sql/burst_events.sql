-- events that bursts name, with what is shown of them
create or replace temp table sigma_burst_events (
    burst bigint, event_id varchar, event_time timestamptz,
    account varchar, region varchar, source_address varchar, resource varchar, entity varchar,
    indicator_id varchar, indicator_score double,
    "values" map(varchar, varchar)
);
