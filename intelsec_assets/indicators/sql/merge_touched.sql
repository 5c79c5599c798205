-- Indicators that today's observations touch, from what was known of them and what is claimed today; no names, no corroboration yet.
create temp table state_touched_{run} as
with sightings as (
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

pieces as (
    select
        indicator_type,
        value,
        feed,
        {day} as first_listed,
        {day} as last_listed,
        first_seen,
        last_seen,
        observations,
        tags,
        case when campaign is null then [] else [campaign] end as campaigns,
        case when malware_family is null then [] else [malware_family] end as families,
        case when threat_type is null then [] else [threat_type] end as threat_types,
        confidence,
        tlp_rank
    from sightings
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
        flatten(list(tags)) as tags,
        flatten(list(campaigns)) as campaigns,
        flatten(list(families)) as families,
        flatten(list(threat_types)) as threat_types,
        max(confidence) as confidence,
        max(tlp_rank) as tlp_rank
    from pieces
    group by indicator_type, value, feed
)

select
    indicator_type,
    value,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    min(first_listed) as first_listed,
    max(last_listed) as last_listed,
    sum(observations)::bigint as observations,
    list_sort(list(feed) filter (where last_listed >= {corroborating_since})) as sources,
    list_sort(list(struct_pack(
        feed := feed,
        first_listed := first_listed,
        last_listed := last_listed,
        last_seen := last_seen,
        observations := observations
    ))) as source_records,
    list_sort(list_distinct(flatten(list(campaigns))))[:{most_labels}] as campaigns,
    list_sort(list_distinct(flatten(list(families))))[:{most_labels}] as families,
    list_sort(list_distinct(flatten(list(threat_types))))[:{most_labels}] as threat_types,
    list_sort(list_distinct(flatten(list(tags))))[:{most_labels}] as tags,
    max(confidence) as confidence,
    {tlp_levels}[max(tlp_rank)] as tlp
from by_feed
group by indicator_type, value
