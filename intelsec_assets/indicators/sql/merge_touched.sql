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
several as materialized (
    -- a number for each (type, value): grouping by numbers costs a third of grouping by two texts
    select row_number() over () as number, indicator_type, value
    from (
        select indicator_type, value from sightings group by all having count(*) > 1
        union
        select indicator_type, value from state_known_{run}
    )
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

observed as materialized (
    select o.number, s.*
    from sightings as s
    join several as o on s.indicator_type = o.indicator_type and s.value = o.value
),

known as materialized (
    select o.number, k.*
    from state_known_{run} as k
    join several as o on k.indicator_type = o.indicator_type and k.value = o.value
),

by_feed as (
    select
        number,
        feed,
        min(first_listed) as first_listed,
        max(last_listed) as last_listed,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(observations)::bigint as observations,
        max(confidence) as confidence,
        max(tlp_rank) as tlp_rank
    from (
        select
            number,
            feed,
            {day} as first_listed,
            {day} as last_listed,
            first_seen,
            last_seen,
            observations,
            confidence,
            tlp_rank
        from observed
        union all
        select
            number,
            record.feed,
            record.first_listed,
            record.last_listed,
            first_seen,
            record.last_seen,
            record.observations,
            confidence,
            list_position({tlp_levels}, tlp)
        from (select number, first_seen, confidence, tlp, unnest(source_records) as record from known)
    )
    group by number, feed
),

counted as (
    select
        number,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        min(first_listed) as first_listed,
        max(last_listed) as last_listed,
        sum(observations)::bigint as observations,
        list_sort(list(feed) filter (where last_listed >= {corroborating_since})) as sources,
        list_sort(list(struct_pack(feed, first_listed, last_listed, last_seen, observations))) as source_records,
        max(confidence) as confidence,
        {tlp_levels}[max(tlp_rank)] as tlp
    from by_feed
    group by number
),

labels as (
    select number, 'campaign' as kind, campaign as label from observed where campaign is not null
    union
    select number, 'family', malware_family from observed where malware_family is not null
    union
    select number, 'threat_type', threat_type from observed where threat_type is not null
    union
    select number, 'tag', unnest(tags) from observed
    union
    select number, 'campaign', unnest(campaigns) from known
    union
    select number, 'family', unnest(families) from known
    union
    select number, 'threat_type', unnest(threat_types) from known
    union
    select number, 'tag', unnest(tags) from known
),

label_lists as (
    select
        number,
        list_sort(list(label) filter (where kind = 'campaign'))[:{most_labels}] as campaigns,
        list_sort(list(label) filter (where kind = 'family'))[:{most_labels}] as families,
        list_sort(list(label) filter (where kind = 'threat_type'))[:{most_labels}] as threat_types,
        list_sort(list(label) filter (where kind = 'tag'))[:{most_labels}] as tags
    from labels
    group by number
)

from alone
union all by name
select
    o.indicator_type,
    o.value,
    c.* exclude (number),
    coalesce(l.campaigns, []) as campaigns,
    coalesce(l.families, []) as families,
    coalesce(l.threat_types, []) as threat_types,
    coalesce(l.tags, []) as tags
from several as o
join counted as c using (number)
left join label_lists as l using (number)
