-- What people's verdicts say of each indicator: true and false alarms; benign true positives and duplicates say nothing of it.
select
    try_cast(indicator_id as uuid) as indicator_id,
    count(*) filter (where verdict = 'true_positive') as true_positives,
    count(*) as dispositioned
from (
    select
        alert_id,
        verdict,
        unnest(list_distinct(indicator_ids)) as indicator_id
    from {verdicts}
    where verdict in ('true_positive', 'false_positive')
)
where try_cast(indicator_id as uuid) is not null
group by all
order by indicator_id
