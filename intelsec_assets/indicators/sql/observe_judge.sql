-- grain: one feed row, with its canonical form and the first reason why it cannot be used (NULL = it can).
-- `{rows}`: feed and the columns of FEED_ROWS; `{forms}`: canonicalise(); `{feeds}`: one feed with the types it may publish.
select
    r.feed,
    r.file,
    r.line,
    r.snapshot_sha256,
    r.raw_value,
    f.indicator_type,
    f.value,
    if(
        r.first_seen > {day_end} or r.last_seen > {day_end},
        list_append(f.canon_rules, 'clock_skew_clamped'),
        f.canon_rules
    ) as canon_rules,
    if(
        len(r.tags) > 0,
        list_sort(list_distinct(list_filter(
            list_transform(r.tags, lambda tag: lower(ltrim(trim(tag), '#'))), lambda tag: tag <> ''
        ))),
        []::varchar[]
    ) as tags,
    r.campaign,
    r.threat_type,
    r.malware_family,
    r.confidence,
    r.tlp,
    r.listings,
    if(r.first_seen > {day_end}, {day_end}, r.first_seen) as first_seen,
    if(r.last_seen > {day_end}, {day_end}, r.last_seen) as last_seen,
    case
        when r.reject_reason is not null then r.reject_reason
        when k.feed is null then 'unknown_feed'
        when f.error is not null then f.error
        when not list_contains(k.types, f.indicator_type) then 'unexpected_type'
        when least(r.first_seen, r.last_seen) < {epoch} then 'time_before_1970'
        when greatest(r.first_seen, r.last_seen) > {latest} then 'time_in_future'
    end as reason,
    case
        when r.reject_reason is not null then coalesce(r.reject_detail, r.reject_reason)
        when k.feed is null then 'found feed ' || r.feed || '; expected one of the catalogue'
        when f.error is not null then f.detail
        when not list_contains(k.types, f.indicator_type)
            then 'found ' || f.indicator_type || '; expected ' || array_to_string(k.types, ', ')
        when least(r.first_seen, r.last_seen) < {epoch}
            then 'found ' || strftime(least(r.first_seen, r.last_seen), '%Y-%m-%dT%H:%M:%SZ') || '; expected 1970-01-01 or later'
        when greatest(r.first_seen, r.last_seen) > {latest}
            then 'found ' || strftime(greatest(r.first_seen, r.last_seen), '%Y-%m-%dT%H:%M:%SZ')
                || '; expected at most a day after ' || strftime({day_end}, '%Y-%m-%dT%H:%M:%SZ')
    end as detail
from {rows} as r
left join {forms} as f
    on r.reject_reason is null
    and r.raw_value is not distinct from f.raw_value
    and r.indicator_type is not distinct from f.declared_type
left join {feeds} as k
    on r.feed = k.feed
