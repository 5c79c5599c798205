-- The plan of the day from today's decisions and the plan of the day before; see plan.build for the rules.
-- $day: the day; $tombstone_days: how long a withdrawn indicator stays as a tombstone; $max_tlp: strictest exported TLP
with
tlp_rank(tlp, rank) as (
    values ('clear', 0), ('green', 1), ('amber', 2), ('amber+strict', 3), ('red', 4)
),
best_grade as (
    select indicator_id, arg_min(coalesce(grade, 'f'), coalesce(rank, 3)) as admiralty
    from (select indicator_id, unnest(sources) as feed from export_plan_indicators)
    left join export_plan_grades using (feed)
    group by indicator_id
),
wanted as (
    select
        i.indicator_id, i.indicator_type, i.value, s.reason as why,
        -- rounded: a sum of contributions may miss the bound by a bit of the last place
        case when round(s.score, 9) >= 0.8 then 'high' when round(s.score, 9) >= 0.6 then 'medium' else 'low' end
            as score_band,
        coalesce(g.admiralty, 'f') as admiralty,
        i.tlp,
        -- a campaign once told is kept while it is still named: a new name earlier in the alphabet is no news
        case when list_contains(i.campaigns, p.campaign) then p.campaign else i.campaigns[1] end as campaign,
        list_sort(i.families) as families,
        list_sort(i.threat_types) as threat_types,
        list_sort(i.sources) as sources,
        coalesce(p.first_seen, i.first_seen) as first_seen,
        coalesce(p.first_exported, $day) as first_exported,
        p.event as old_event, p.state as old_state, p.content_hash as old_hash, p.changed_on as old_changed_on,
        p.score_band as old_score_band, p.admiralty as old_admiralty, p.tlp as old_tlp, p.campaign as old_campaign,
        p.families as old_families, p.threat_types as old_threat_types, p.sources as old_sources
    from export_plan_scores s
    join export_plan_indicators i using (indicator_id)
    left join best_grade g using (indicator_id)
    left join export_plan_previous p using (indicator_id)
    where s.decision = 'export'
),
themed as (
    select *,
        coalesce(
            old_event,
            coalesce(
                nullif(left(trim(regexp_replace(lower(strip_accents(campaign)), '[^a-z0-9]+', '-', 'g'), '-'), 60), ''),
                nullif(left(trim(regexp_replace(lower(strip_accents(threat_types[1])), '[^a-z0-9]+', '-', 'g'), '-'), 60), ''),
                'unattributed'
            ) || '/' || strftime($day, '%Y-%m')
        ) as event
    from wanted
),
hashed as (
    select *,
        sha256(concat_ws(chr(31),
            indicator_type, value, event, score_band, admiralty, tlp, coalesce(campaign, ''),
            array_to_string(families, chr(30)), array_to_string(threat_types, chr(30)),
            array_to_string(sources, chr(30)), epoch_us(first_seen)
        )) as content_hash
    from themed
),
exported as (
    select
        indicator_id, indicator_type, value, event, 'active' as state,
        case
            when old_state is null or old_state = 'withdrawn' then 'add'
            when content_hash <> old_hash then 'update'
            else 'keep'
        end as action,
        case
            when old_state is null then 'first export: ' || why
            when old_state = 'withdrawn' then 'exported again: ' || why
            when content_hash <> old_hash then 'changed: ' || concat_ws(', ',
                case when score_band <> old_score_band then 'score ' || old_score_band || ' to ' || score_band end,
                case when admiralty <> old_admiralty then 'source grade ' || old_admiralty || ' to ' || admiralty end,
                case when tlp <> old_tlp then 'TLP ' || old_tlp || ' to ' || tlp end,
                case when campaign is distinct from old_campaign then 'campaign' end,
                case when families <> old_families then 'malware families' end,
                case when threat_types <> old_threat_types then 'threat types' end,
                case when sources <> old_sources then 'feeds' end)
            else why
        end as reason,
        case when old_state = 'active' and content_hash = old_hash then old_changed_on else $day end as changed_on,
        first_exported, content_hash, score_band, admiralty, tlp, campaign, families, threat_types, sources, first_seen
    from hashed
),
not_wanted as (
    select p.*, s.decision, s.reason as why,
        i.tlp as tlp_now,
        list_distinct(list_concat(p.sources, coalesce(i.sources, []))) as any_source
    from export_plan_previous p
    left join export_plan_scores s using (indicator_id)
    left join export_plan_indicators i using (indicator_id)
    where s.decision is distinct from 'export'
),
held_by as (
    select indicator_id,
        string_agg(feed || ' is ' || status || ' (' || h.reason || ')', '; ' order by feed) as held_text
    from (select indicator_id, unnest(any_source) as feed from not_wanted where state = 'active') n
    join export_plan_feed_status h using (feed)
    where h.held
    group by indicator_id
),
decided as (
    select n.*, held_text,
        case
            when state = 'withdrawn' then 'gone'
            when decision = 'suppress' then 'withdraw'
            -- a marking nobody knows is treated as the strictest; no decision = it left the state and has none today
            when decision is not null and coalesce(now_rank.rank, 4) > max_rank.rank then 'withdraw'
            when held_text is not null then 'hold'
            else 'withdraw'
        end as new_action
    from not_wanted n
    left join held_by using (indicator_id)
    left join tlp_rank now_rank on now_rank.tlp = n.tlp_now
    left join tlp_rank max_rank on max_rank.tlp = $max_tlp
),
no_longer_exported as (
    select
        indicator_id, indicator_type, value, event,
        case when new_action = 'hold' then 'active' else 'withdrawn' end as state,
        new_action as action,
        case
            when new_action = 'gone' and action in ('withdraw', 'gone') then reason
            when new_action = 'hold' then 'held, not withdrawn: feed ' || held_text
            when decision is null then 'no feed lists it any more and it was retired'
            else coalesce(why, 'no longer to be exported')
        end as reason,
        case when new_action = 'withdraw' then $day else changed_on end as changed_on,
        first_exported, content_hash, score_band, admiralty, tlp, campaign, families, threat_types, sources, first_seen
    from decided
    where new_action <> 'gone' or changed_on + cast($tombstone_days as integer) >= $day
)
select * from exported
union all by name
select * from no_longer_exported
order by indicator_type, value
