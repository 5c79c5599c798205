"""What must hold for the tables of detections, and what a person should look at: volume, lag, silent rules.

How an invariant is shown to Dagster is `checks.py`.
"""

from __future__ import annotations

from intelsec_assets.detections.gaps import INDICATORS, NETWORKS, TICKETS, lines_about, rules_asked
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERT_EVENTS,
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    FEED_ACCURACY,
    PRINCIPAL_ASNS,
    REJECTED_AUDIT_RECORDS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.invariants import Day, Invariant, Verdict, none_of
from intelsec_assets.wording import counted

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


def _records_used(day: Day) -> Verdict:
    """What could not be used is kept with its reason; here it is what a person sees of it."""
    rejected = day.tables[REJECTED_AUDIT_RECORDS.name]
    by_file = rejected.aggregate("source, file, reason, count(*) as records, min(detail) as detail")
    verdict = none_of(by_file.order("records desc, source, file, reason"))
    if verdict.passed:
        return Verdict(passed=True, found="every record was used")
    records, files = rejected.aggregate("count(*), count(distinct (source, file))").fetchall()[0]
    reasons = rejected.aggregate("reason, count(*) as n").order("n desc, reason").fetchall()
    told = ", ".join(f"{reason} {number:,}" for reason, number in reasons)
    found = f"{counted(records, 'record')} of {counted(files, 'file')}: {told}"
    return Verdict(passed=False, count=int(records), sample=verdict.sample, found=found)


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
    found = "known for every event"
    if number:
        found = f"tickets unknown for {counted(kinds[0], 'event')}, indicators for {kinds[1]:,}"
    why = [
        line
        for unknown, what in zip(kinds, (TICKETS, INDICATORS), strict=True)
        for line in lines_about(day.note, what)[: 1 if unknown else 0]
    ]
    # an address without a network is nothing odd, a table of networks that cannot be read is: no rule finds a new one
    no_networks = lines_about(day.note, NETWORKS)
    passed = number == 0 and not no_networks
    return Verdict(passed=passed, count=number or len(no_networks), found="; ".join([found, *why, *no_networks]))


def _networks_once(day: Day) -> Verdict:
    rows = day.tables[PRINCIPAL_ASNS.name]
    return none_of(rows.aggregate("principal, asn, count(*) as times").filter("times > 1"))


def _networks_seen_in_order(day: Day) -> Verdict:
    rows = day.tables[PRINCIPAL_ASNS.name]
    wrong = rows.filter(
        "first_seen > last_seen or (last_seen at time zone 'UTC')::date > day or days_seen < 1 or weight < 0"
    )
    return none_of(wrong.project("principal, asn, first_seen, last_seen, days_seen, weight"))


def _rules_asked(day: Day) -> Verdict:
    return rules_asked(day.note)


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


def _events_of_the_day(day: Day) -> Verdict:
    rows = day.tables[ALERT_EVENTS.name]
    return none_of(rows.filter("(\"at\" at time zone 'UTC')::date <> day").project('seq, alert_id, event, "at"'))


def _judgements_of_the_day(day: Day) -> Verdict:
    rows = day.tables[ALERT_DISPOSITIONS.name]
    return none_of(rows.filter("(\"at\" at time zone 'UTC')::date <> day").project('seq, alert_id, verdict, "at"'))


def _judgements_give_reasons(day: Day) -> Verdict:
    """A verdict without a reason teaches nobody, and no proposal can be made of it."""
    rows = day.tables[ALERT_DISPOSITIONS.name]
    return none_of(rows.filter("trim(coalesce(reason, '')) = ''").project("seq, alert_id, verdict, actor"))


def _accuracy_follows(day: Day) -> Verdict:
    """Accuracy is what its counts say, within its interval, of feeds that are there once."""
    wrong = day.tables[FEED_ACCURACY.name].filter(
        "true_positives + false_positives < 1 "
        "or abs(accuracy - true_positives / (true_positives + false_positives)) > 1e-9 "
        "or accuracy not between accuracy_low - 1e-9 and accuracy_high + 1e-9 "
    )
    twice = day.tables[FEED_ACCURACY.name].aggregate("feed, count(*) as times").filter("times > 1")
    return none_of(wrong.project("feed").union(twice.project("feed")))


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
REJECTED_INVARIANTS = (
    Invariant(
        REJECTED_AUDIT_RECORDS.name,
        "every_record_was_used",
        "Every record of the files delivered on the day could be used.",
        _records_used,
        "Have the file delivered again: as a new version it is taken by itself. intelsec audit status names each one.",
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
        "Tickets, indicators and networks could be asked about every event.",
        _context_known,
        "Look at the ticket register, the indicators of the days before and the tables of networks: intelsec doctor. "
        "Rules in need of tickets say that they do not know, those in need of the others are silent.",
        blocking=False,
    ),
)
NETWORK_INVARIANTS = (
    Invariant(
        PRINCIPAL_ASNS.name,
        "a_network_is_there_once",
        "There is one row for each principal and network.",
        _networks_once,
        "Build the day again: intelsec run --day DAY",
    ),
    Invariant(
        PRINCIPAL_ASNS.name,
        "networks_were_seen_in_order",
        "No network was seen last before it was seen first, after the day, or on no day.",
        _networks_seen_in_order,
        "Build the day again: intelsec run --day DAY",
    ),
)
FINDING_INVARIANTS = (
    Invariant(
        SIGMA_FINDINGS.name,
        "every_rule_was_asked",
        "Every rule, exception and mode could be used, and every rule was asked about the day.",
        _rules_asked,
        "Mend what is named (intelsec rules lint) and run the day again: until then nobody looks for it.",
        blocking=False,
    ),
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
EVENTS_OF_ALERTS_INVARIANTS = (
    Invariant(
        ALERT_EVENTS.name,
        "changes_are_of_the_day",
        "Every change was made on the partition's day, UTC.",
        _events_of_the_day,
        "Build the day again: intelsec run --day DAY",
    ),
)
DISPOSITION_INVARIANTS = (
    Invariant(
        ALERT_DISPOSITIONS.name,
        "judgements_are_of_the_day",
        "Every judgement was given, or withdrawn, on the partition's day, UTC.",
        _judgements_of_the_day,
        "Build the day again: intelsec run --day DAY",
    ),
    Invariant(
        ALERT_DISPOSITIONS.name,
        "judgements_give_a_reason",
        "Every judgement, and every withdrawal of one, has a reason in words.",
        _judgements_give_reasons,
        "Judge the alert again and say why: intelsec alerts triage ALERT --verdict VERDICT --reason TEXT",
        blocking=False,
    ),
)
ACCURACY_INVARIANTS = (
    Invariant(
        FEED_ACCURACY.name,
        "accuracy_follows_from_verdicts",
        "Each feed is there once, its accuracy is what its counts say, and lies within its interval.",
        _accuracy_follows,
        "Build the day again: intelsec run --day DAY",
    ),
)
