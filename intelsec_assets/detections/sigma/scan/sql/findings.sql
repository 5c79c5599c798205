-- findings in the columns of sigma_findings; their names are version 5 UUIDs, as findings.finding_id makes them
with named as (
    select d.*, f.* exclude (rule), sha1(unhex($namespace) || encode(f.rule_id || '|' || group_text || '|' || first_event)) as h
    from sigma_drafts d
    join sigma_firings f using (rule)
)
select
    day,
    h[1:8] || '-' || h[9:12] || '-5' || h[14:16] || '-' || translate(h[17], '0123456789abcdef', '89ab89ab89ab89ab')
        || h[18:20] || '-' || h[21:32] as finding_id,
    'sigma' as engine, rule_id, title as rule_title, digest as rule_digest, level, kind,
    case when is_unknown then 'context_unknown' else 'certain' end as certainty,
    mode, first_event_time, last_event_time, event_ids, event_count, "group",
    rule_id || case when is_whole then '|flood ' || day else {key} end as dedup_key,
    case when not is_whole then coalesce("values"[entity_field], "group"[entity_field], usual_entity) end as entity,
    account, region, source_address, resource, indicator_ids, indicator_score, attack, runbook, suppression_seconds,
    noise_budget, value,
    -- most rules tell no more than their evidence
    case
        when map_keys("values") = evidence then "values"
        else map_from_entries(list_transform(evidence, lambda name: {{'k': name, 'v': "values"[name]}}))
    end as evidence
from named
order by first_event_time, rule_id, finding_id, day
