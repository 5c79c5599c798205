"""What must hold for the tables of detections, and what a person should look at: volume, lag, silent rules.

How an invariant is shown to Dagster is `checks.py`.
"""

from __future__ import annotations

from intelsec_assets.detections.tables import (
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.invariants import Day, Invariant, Verdict, none_of

# A trail that shrinks to a fifth of the day before, or grows fivefold, is a delivery that broke or a loop that runs.
# Weekends of small companies are a third to a half of weekdays.
_VOLUME_FACTOR = 5.0
_SMALL_DAY = 100  # events: below that any factor is chance
# CloudTrail delivers within five minutes on average (docs.aws.amazon.com, "How CloudTrail works"); hours are a fault
_LATE_HOURS = 6
_LATE_SHARE = 0.05
_SILENT_DAYS = 30


def _within_the_day(day: Day) -> Verdict:
    return none_of(
        day.tables[CLOUD_AUDIT_EVENTS.name]
        .filter("(event_time at time zone 'UTC')::date <> day")
        .project("event_id, event_time")
    )


def _events_once(day: Day) -> Verdict:
    rows = day.tables[CLOUD_AUDIT_EVENTS.name]
    return none_of(rows.aggregate("provider, event_id, count(*) as times").filter("times > 1"))


def _usual_volume(day: Day) -> Verdict:
    before = day.before.get(CLOUD_AUDIT_EVENTS.name)
    if before is None:
        return Verdict(passed=True, found="no day before to compare with")
    now, earlier = (
        int(rows.aggregate("count(*)").fetchall()[0][0]) for rows in (day.tables[CLOUD_AUDIT_EVENTS.name], before)
    )
    found = f"{now:,} events, {earlier:,} the day before"
    usual = max(now, earlier) < _SMALL_DAY or max(now, earlier) <= _VOLUME_FACTOR * min(now, earlier)
    return Verdict(passed=usual, count=0 if usual else 1, threshold=f"a factor of {_VOLUME_FACTOR:g}", found=found)


def _context_once(day: Day) -> Verdict:
    day.tables[CLOUD_AUDIT_EVENTS.name].create_view("context_of_events", replace=True)
    day.tables[AUDIT_CONTEXT.name].create_view("context_rows", replace=True)
    return none_of(
        day.con.sql(
            "select provider, event_id, e.n as events, c.n as contexts "
            "from (select provider, event_id, count(*) as n from context_of_events group by all) as e "
            "full join (select provider, event_id, count(*) as n from context_rows group by all) as c "
            "using (provider, event_id) "
            "where c.n is distinct from e.n"
        )
    )


def _context_known(day: Day) -> Verdict:
    """A register that cannot be read leaves rules in doubt: they say so, and so does this."""
    asked = day.tables[AUDIT_CONTEXT.name].filter(
        "\"context.ticket.state\" = 'unknown' or \"context.indicator.state\" = 'unknown'"
    )
    number = int(asked.aggregate("count(*)").fetchall()[0][0])
    kinds = asked.aggregate(
        "count(*) filter (\"context.ticket.state\" = 'unknown'), "
        "count(*) filter (\"context.indicator.state\" = 'unknown')"
    ).fetchall()[0]
    found = (
        f"tickets unknown for {kinds[0]:,} events, indicators for {kinds[1]:,}" if number else "known for every event"
    )
    return Verdict(passed=number == 0, count=number, found=found)


def _findings_have_events(day: Day) -> Verdict:
    day.tables[SIGMA_FINDINGS.name].create_view("evidenced_findings", replace=True)
    day.tables[CLOUD_AUDIT_EVENTS.name].create_view("evidence_events", replace=True)
    return none_of(
        day.con.sql(
            "select finding_id, rule_title, last_event_time from evidenced_findings as f where kind <> 'flood' "
            "and event_count <= 100 "
            "and not exists (from evidence_events as e where list_contains(f.event_ids, e.event_id))"
        )
    )


def _no_flood(day: Day) -> Verdict:
    floods = day.tables[SIGMA_FINDINGS.name].filter("kind = 'flood'").project("rule_title, event_count")
    return none_of(floods)


def _findings_are_in_alerts(day: Day) -> Verdict:
    """Each alert was raised by a finding of its day: an alert that nothing raised cannot be explained to anyone."""
    day.tables[ALERTS.name].create_view("raised_alerts", replace=True)
    day.tables[SIGMA_FINDINGS.name].create_view("raising_findings", replace=True)
    return none_of(
        day.con.sql(
            "select alert_id, rule_title, finding_id from raised_alerts as a where engine = 'sigma' "
            "and not exists (from raising_findings as f where f.finding_id = a.finding_id)"
        )
    )


def _on_time(day: Day) -> Verdict:
    """Late events are judged when they come; many of them mean that alerts come hours after what they are about."""
    rows = day.tables[CLOUD_AUDIT_EVENTS.name]
    late = rows.filter(f"delivered_at > event_time + interval {_LATE_HOURS} hours")
    number, total = (int(one.aggregate("count(*)").fetchall()[0][0]) for one in (late, rows))
    worst = late.aggregate("max(delivered_at - event_time)").fetchall()[0][0] if number else None
    found = f"{number:,} of {total:,} events came over {_LATE_HOURS} hours late" + (
        f", the worst {worst}" if worst else ""
    )
    return Verdict(
        passed=number <= _LATE_SHARE * total, count=number, threshold=f"{_LATE_SHARE:.0%} of the events", found=found
    )


def _no_silent_rule(day: Day) -> Verdict:
    """A rule that fired and does so no more may look for a field that was renamed, or in logs that come no more."""
    rules = day.tables[RULE_QUALITY.name].filter("mode = 'live'")
    quiet = rules.filter(f"last_finding < day - interval {_SILENT_DAYS} days")
    return none_of(quiet.project("rule_title, last_finding, reason"))


EVENT_INVARIANTS = (
    Invariant(
        CLOUD_AUDIT_EVENTS.name,
        "events_are_of_the_day",
        "Every event happened on the partition's day, UTC.",
        _within_the_day,
        "Build the day again: intelsec run --day DAY",
    ),
    Invariant(
        CLOUD_AUDIT_EVENTS.name,
        "an_event_is_there_once",
        "No event of a provider is there twice, however often it was delivered.",
        _events_once,
        "Build the day again: intelsec run --day DAY",
    ),
    Invariant(
        CLOUD_AUDIT_EVENTS.name,
        "volume_is_usual",
        f"The day has neither under a fifth nor over {_VOLUME_FACTOR:g} times the events of the day before.",
        _usual_volume,
        "Ask the trail's owner whether delivery broke: intelsec audit status",
        blocking=False,
        needs_before=(CLOUD_AUDIT_EVENTS.name,),
    ),
    Invariant(
        CLOUD_AUDIT_EVENTS.name,
        "events_come_in_time",
        f"At most {_LATE_SHARE:.0%} of the events were delivered over {_LATE_HOURS} hours after they happened.",
        _on_time,
        "Ask the trail's owner about its delivery: intelsec audit status",
        blocking=False,
    ),
)
CONTEXT_INVARIANTS = (
    Invariant(
        AUDIT_CONTEXT.name,
        "every_event_has_one_context",
        "There is exactly one row for each event of the day.",
        _context_once,
        "Build the day again: intelsec run --day DAY",
        needs=(CLOUD_AUDIT_EVENTS.name,),
    ),
    Invariant(
        AUDIT_CONTEXT.name,
        "context_is_known",
        "Tickets and indicators could be asked about every event.",
        _context_known,
        "Look at the ticket register and at the indicators of the days before; rules in need of them say so.",
        blocking=False,
    ),
)
FINDING_INVARIANTS = (
    Invariant(
        SIGMA_FINDINGS.name,
        "findings_name_their_events",
        "Every finding names an event of its day.",
        _findings_have_events,
        "Build the day again: intelsec run --day DAY",
        needs=(CLOUD_AUDIT_EVENTS.name,),
    ),
    Invariant(
        SIGMA_FINDINGS.name,
        "no_rule_floods",
        "No rule matched more events than it may; those of one that did are one finding.",
        _no_flood,
        "Narrow the rule or put it into test mode: intelsec rules proposals",
        blocking=False,
    ),
)
ALERT_INVARIANTS = (
    Invariant(
        ALERTS.name,
        "alerts_have_their_finding",
        "Every alert of the day was raised by a finding that the rules of now would raise too.",
        _findings_are_in_alerts,
        "A rule or an exception changed since, or an event came late: judge them by what they were raised with.",
        blocking=False,  # the alert is a fact, and a changed rule no reason to raise no others
        needs=(SIGMA_FINDINGS.name,),
    ),
)
QUALITY_INVARIANTS = (
    Invariant(
        RULE_QUALITY.name,
        "no_rule_is_silent",
        f"No live rule that fired once has been quiet for {_SILENT_DAYS} days.",
        _no_silent_rule,
        "Look whether its log source still delivers and whether its fields were renamed: intelsec rules test RULE",
        blocking=False,
    ),
)
