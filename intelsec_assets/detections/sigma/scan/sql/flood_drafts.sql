-- the name of a flood holds the power of two of its count: one that has doubled is another finding
insert into sigma_drafts
select
    rule, day, 'flood', 'flood ' || day || ' ' || length(bin(any_value(l.matches))) || ' ' || scope, '',
    map([]::varchar[], []::varchar[]),
    any_value(l.first_time), any_value(l.last_time), list(event_id order by place), any_value(l.matches),
    null, null, null, null, case when not s.is_whole then arg_min(s.usual_entity, place) end,
    any_value(l.indicator_ids), any_value(l.indicator_score), null,
    arg_min("values", place), bool_or(is_unknown), s.is_whole
from sigma_shown s
join sigma_floods l using (rule, day, scope)
group by rule, day, scope, s.is_whole;
