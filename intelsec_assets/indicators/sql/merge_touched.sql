-- Indicators that today's observations touch, from what was known of them and what is claimed today; no names, no corroboration yet.
create temp table state_touched_{run} as
with sightings as materialized (
    -- a row's sightings are its claims; a row without any says "some time today". Nothing is seen after the day's end.
    select
        indicator_type,
        value,
        feed,
        tags,
        campaign,
        malware_family,
        threat_type,
        count(*) as observations,
        min(least(coalesce(least(first_seen, last_seen), {day_start}), {day_end})) as first_seen,
        max(least(coalesce(greatest(first_seen, last_seen), {day_end}), {day_end})) as last_seen,
        max(confidence) as confidence,
        -- a marking nobody knows is treated as the strictest
        max(coalesce(nullif(list_position({tlp_levels}, tlp), 0), len({tlp_levels}))) as tlp_rank
    from state_observations_{run}
    group by all
),

-- five of six indicators are new, of one feed and with one set of labels: they need no lists to be merged
several as (
    select indicator_type, value from sightings group by all having count(*) > 1
    union
    select indicator_type, value from state_known_{run}
),

alone as (
    select
        s.indicator_type,
        s.value,
        first_seen,
        last_seen,
        {day} as first_listed,
        {day} as last_listed,
        observations,
        [feed] as sources,
        [struct_pack(feed, first_listed := {day}, last_listed := {day}, last_seen, observations)] as source_records,
        case when campaign is null then [] else [campaign] end as campaigns,
        case when malware_family is null then [] else [malware_family] end as families,
        case when threat_type is null then [] else [threat_type] end as threat_types,
        list_sort(list_distinct(coalesce(tags, [])))[:{most_labels}] as tags,
        confidence,
        {tlp_levels}[tlp_rank] as tlp
    from sightings as s
    anti join several as o on s.indicator_type = o.indicator_type and s.value = o.value
),

pieces as (
    select
        s.indicator_type,
        s.value,
        feed,
        {day} as first_listed,
        {day} as last_listed,
        first_seen,
        last_seen,
        observations,
        tags,
        case when campaign is not null then [campaign] end as campaigns,
        case when malware_family is not null then [malware_family] end as families,
        case when threat_type is not null then [threat_type] end as threat_types,
        confidence,
        tlp_rank
    from sightings as s
    semi join several as o on s.indicator_type = o.indicator_type and s.value = o.value
    union all by name
    select
        k.indicator_type,
        k.value,
        k.record.feed as feed,
        k.record.first_listed as first_listed,
        k.record.last_listed as last_listed,
        k.first_seen,
        k.record.last_seen as last_seen,
        k.record.observations as observations,
        k.tags,
        k.campaigns,
        k.families,
        k.threat_types,
        k.confidence,
        list_position({tlp_levels}, k.tlp) as tlp_rank
    from (select *, unnest(source_records) as record from state_known_{run}) as k
),

by_feed as (
    select
        indicator_type,
        value,
        feed,
        min(first_listed) as first_listed,
        max(last_listed) as last_listed,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(observations)::bigint as observations,
        flatten(list(tags) filter (where len(tags) > 0)) as tags,
        flatten(list(campaigns) filter (where len(campaigns) > 0)) as campaigns,
        flatten(list(families) filter (where len(families) > 0)) as families,
        flatten(list(threat_types) filter (where len(threat_types) > 0)) as threat_types,
        max(confidence) as confidence,
        max(tlp_rank) as tlp_rank
    from pieces
    group by indicator_type, value, feed
)

from alone
union all by name
select
    indicator_type,
    value,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    min(first_listed) as first_listed,
    max(last_listed) as last_listed,
    sum(observations)::bigint as observations,
    list_sort(list(feed) filter (where last_listed >= {corroborating_since})) as sources,
    list_sort(list(struct_pack(feed, first_listed, last_listed, last_seen, observations))) as source_records,
    coalesce(list_sort(list_distinct(flatten(list(campaigns) filter (where campaigns is not null))))[:{most_labels}], []) as campaigns,
    coalesce(list_sort(list_distinct(flatten(list(families) filter (where families is not null))))[:{most_labels}], []) as families,
    coalesce(list_sort(list_distinct(flatten(list(threat_types) filter (where threat_types is not null))))[:{most_labels}], []) as threat_types,
    coalesce(list_sort(list_distinct(flatten(list(tags) filter (where tags is not null))))[:{most_labels}], []) as tags,
    max(confidence) as confidence,
    {tlp_levels}[max(tlp_rank)] as tlp
from by_feed
group by indicator_type, value
