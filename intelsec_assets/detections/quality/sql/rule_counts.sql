-- One row a rule that has findings or alerts in the window: what it found, cost, and what people said of it.
with found as (
    select
        rule_id,
        any_value(rule_title order by last_event_time desc) as rule_title,
        count(*) as findings,
        max(last_event_time) as last_finding
    from {findings}
    where day between {first} and {last}
    group by rule_id
),

raised as (
    select
        a.alert_id,
        a.rule_id,
        a.rule_title,
        a.day,
        a.first_event_time,
        v.verdict
    from {alerts} as a
    left join {verdicts} as v using (alert_id)
    where a.day between {first} and {last}
),

-- in the order in which they were raised, so that the newer half can be told from the older
judged as (
    select
        *,
        row_number() over (partition by rule_id order by first_event_time, alert_id) * 2
        > count(*) over (partition by rule_id) as is_newer
    from raised
    where verdict <> 'duplicate'
),

judged_counts as (
    select
        rule_id,
        count(*) as n,
        count(*) filter (where verdict = 'true_positive') as true_positives,
        count(*) filter (where verdict = 'benign_true_positive') as benign_true_positives,
        count(*) filter (where verdict = 'false_positive') as false_positives,
        count(*) filter (where is_newer) as newer,
        count(*) filter (where is_newer and verdict = 'false_positive') as newer_false,
        count(*) filter (where not is_newer) as older,
        count(*) filter (where not is_newer and verdict = 'false_positive') as older_false
    from judged
    group by rule_id
),

-- left out of the rate, but told
set_apart as (
    select
        r.rule_id,
        count(*) filter (where r.verdict = 'duplicate') as duplicates,
        count(*) filter (where r.verdict is null and m.alert_id is not null) as judged_by_automation
    from raised as r
    left join (
        select distinct alert_id
        from {dispositions}
        where actor_kind = 'automation' and verdict <> 'withdrawn' and day <= {last}
    ) as m
        using (alert_id)
    group by r.rule_id
),

alert_counts as (
    select
        rule_id,
        any_value(rule_title order by first_event_time desc) as rule_title,
        count(*) as alerts
    from raised
    group by rule_id
),

-- a flood stands for more alerts than the budget of any rule
daily as (
    select
        coalesce(a.rule_id, f.rule_id) as rule_id,
        coalesce(a.day, f.day) as day,
        coalesce(a.alerts, 0) as alerts,
        f.day is not null as is_flood
    from (select rule_id, day, count(*) as alerts from raised group by rule_id, day) as a
    full join (
        select distinct rule_id, day from {findings} where kind = 'flood' and day between {first} and {last}
    ) as f on a.rule_id = f.rule_id and a.day = f.day
),

days_of_rules as (
    select
        rule_id,
        list({{'day': day, 'alerts': alerts, 'is_flood': is_flood}} order by day) as days
    from daily
    group by rule_id
)

select
    rule_id,
    coalesce(a.rule_title, f.rule_title) as rule_title,
    coalesce(f.findings, 0) as findings,
    f.last_finding,
    coalesce(a.alerts, 0) as alerts,
    coalesce(j.n, 0) as n,
    coalesce(j.true_positives, 0) as true_positives,
    coalesce(j.benign_true_positives, 0) as benign_true_positives,
    coalesce(j.false_positives, 0) as false_positives,
    coalesce(j.newer, 0) as newer,
    coalesce(j.newer_false, 0) as newer_false,
    coalesce(j.older, 0) as older,
    coalesce(j.older_false, 0) as older_false,
    coalesce(s.duplicates, 0) as duplicates,
    coalesce(s.judged_by_automation, 0) as judged_by_automation,
    coalesce(d.days, []) as days
from found as f
full join alert_counts as a using (rule_id)
left join judged_counts as j using (rule_id)
left join set_apart as s using (rule_id)
left join days_of_rules as d using (rule_id)
order by rule_id
