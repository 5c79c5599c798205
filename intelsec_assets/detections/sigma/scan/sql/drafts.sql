-- findings before it is said what their rule says: of events, and of floods of events
create or replace temp table sigma_drafts (
    rule integer, day date, kind varchar, group_text varchar, first_event varchar, "group" map(varchar, varchar),
    first_event_time timestamptz, last_event_time timestamptz, event_ids varchar[], event_count bigint,
    account varchar, region varchar, source_address varchar, resource varchar, usual_entity varchar,
    indicator_ids varchar[], indicator_score double, value double,
    "values" map(varchar, varchar), is_unknown boolean
);

insert into sigma_drafts
select
    rule, day, 'event', '', event_id, map([]::varchar[], []::varchar[]),
    event_time, event_time, [event_id], 1,
    account, region, source_address, resource, entity,
    case when indicator_id is null then []::varchar[] else [indicator_id] end, indicator_score, null,
    "values", len(list_filter(f.states, lambda name: "values"[name] = 'unknown')) > 0
from sigma_shown s
join sigma_firings f using (rule)
left join sigma_told using (event_id)
where not is_flood;

insert into sigma_drafts
select
    rule, day, 'flood', 'flood ' || day, '', map([]::varchar[], []::varchar[]),
    any_value(first_time), any_value(last_time), list(event_id order by place), any_value(matches),
    null, null, null, null, null,
    [], null, null,
    arg_min("values", place), bool_or(len(list_filter(f.states, lambda name: "values"[name] = 'unknown')) > 0)
from sigma_shown s
join sigma_firings f using (rule)
where is_flood
group by rule, day;
