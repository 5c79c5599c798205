-- findings before it is said what their rule says: of events, and of floods of events
create or replace temp table sigma_drafts (
    rule integer, day date, kind varchar, group_text varchar, first_event varchar, "group" map(varchar, varchar),
    first_event_time timestamptz, last_event_time timestamptz, event_ids varchar[], event_count bigint,
    account varchar, region varchar, source_address varchar, resource varchar, usual_entity varchar,
    indicator_ids varchar[], indicator_score double, value double,
    "values" map(varchar, varchar), is_unknown boolean, is_whole boolean
);

insert into sigma_drafts
select
    rule, day, 'event', '', event_id, map([]::varchar[], []::varchar[]),
    event_time, event_time, [event_id], 1,
    account, region, source_address, resource, usual_entity,
    case when indicator_id is null then []::varchar[] else [indicator_id] end, indicator_score, null,
    "values", len(list_filter(f.states, lambda name: "values"[name] = 'unknown')) > 0, false
from sigma_shown s
join sigma_firings f using (rule)
where not is_flood;

-- the name of a flood holds the power of two of its count: one that has doubled is another finding
insert into sigma_drafts
select
    rule, day, 'flood', 'flood ' || day || ' ' || length(bin(any_value(l.matches))) || ' ' || scope, '',
    map([]::varchar[], []::varchar[]),
    any_value(l.first_time), any_value(l.last_time), list(event_id order by place), any_value(l.matches),
    null, null, null, null, case when not s.is_whole then arg_min(s.usual_entity, place) end,
    any_value(l.indicator_ids), any_value(l.indicator_score), null,
    arg_min("values", place), bool_or(len(list_filter(f.states, lambda name: "values"[name] = 'unknown')) > 0),
    s.is_whole
from sigma_shown s
join sigma_firings f using (rule)
join sigma_floods l using (rule, day, scope)
where is_flood
group by rule, day, scope, s.is_whole;
