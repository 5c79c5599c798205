-- Alerts judged true or false by the feeds that list one of their indicators: an alert counts once a feed, however many match.
with judged as (
    select
        alert_id,
        verdict,
        "at"::date as judged_on,
        unnest(list_distinct(indicator_ids)) as indicator_id
    from {verdicts}
    where verdict in ('true_positive', 'false_positive')
),

listed as (
    select
        indicator_id,
        unnest(source_records).feed as feed,
        unnest(source_records).first_listed as first_listed
    from {indicators}
)

select
    l.feed,
    count(distinct j.alert_id) filter (where j.verdict = 'true_positive') as true_positives,
    count(distinct j.alert_id) filter (where j.verdict = 'false_positive') as false_positives
from judged as j
-- who took it up after the verdict had no part in the alert
join listed as l on try_cast(j.indicator_id as uuid) = l.indicator_id and l.first_listed <= j.judged_on
group by l.feed
order by l.feed
