"""What `intelsec doctor` says of detections: audit sources, the ticket register, prefixes, rules.

Each look answers with state, what was found and what to do; the other parts are in `doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator

from intelsec_assets.detections.audit.inbox import inbox
from intelsec_assets.detections.errors import DetectionError, EventError
from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.settings import Settings
from intelsec_assets.wording import counted

Look = tuple[str, str, str, str]  # part, state, found, what to do


def looks(settings: Settings) -> Iterator[Look]:
    """One look a part."""
    sources = Workspace.of(settings).detection_sources()
    try:
        telemetry = sources.telemetry()
    except EventError as error:
        yield "audit logs", "broken", str(error), "correct telemetry.yaml as the message says"
        return
    if not telemetry.audit:
        yield "audit logs", "missing", "no telemetry.yaml in the data root", "name them there to have detections"
    for source in telemetry.audit:
        try:
            files = tuple(inbox(source, settings.data_root).listing())
            newest = max((file.modified for file in files if file.is_readable), default=None)
            found = (
                f"{source.name}: newest file of {newest:%Y-%m-%d %H:%M} UTC" if newest else f"{source.name}: no files"
            )
            state = "ok" if newest else "missing"
            yield "audit logs", state, found, "" if newest else "ask the trail's owner whether it delivers"
            if odd := [file.key for file in files if not file.is_readable]:
                found = f"{source.name}: {counted(len(odd), 'entry', 'entries')} cannot be read, first {odd[0]}"
                yield "audit logs", "broken", found, "intelsec audit status says why; the other files are taken"
        except DetectionError as error:
            yield "audit logs", "broken", f"{source.name}: {error}", "the other sources are read; mend this one"
    if telemetry.audit:
        yield _tickets(sources)
        yield _prefixes(sources)
        yield _rules(sources)


def _tickets(sources: DetectionSources) -> Look:
    now = system_clock()
    reading = sources.tickets(now.date(), now)
    if reading.reason is not None:
        state = "broken" if sources.telemetry().tickets_csv else "missing"
        mend = "export it again, or correct `tickets` in telemetry.yaml"
        return "tickets", state, reading.reason, f"{mend}; until then rules that need tickets say `context unknown`"
    if not reading.covers(now):
        found = f"the register says nothing after {reading.covers_until:%Y-%m-%d %H:%M} UTC"
        return "tickets", "missing", found, "export it again; until then rules that need tickets say `context unknown`"
    unusable = f"; {counted(len(reading.problems), 'row')} cannot be used, first "
    problems = f"{unusable}{reading.problems[0]}" if reading.problems else ""
    everywhere = sum(ticket.is_approved and ticket.counts_everywhere for ticket in reading.tickets)
    found = f"{counted(len(reading.tickets), 'ticket')} of today{problems}"
    if not everywhere:
        return "tickets", "ok", found, ""
    wide = "names no account and counts" if everywhere == 1 else "name no account and count"
    what_to_do = "with more than one account, fill the column `account` of the register"
    return "tickets", "ok", f"{found}; {everywhere} of them {wide} in every account", what_to_do


def _prefixes(sources: DetectionSources) -> Look:
    prefixes = sources.prefixes()
    if prefixes is None:
        return "networks", "missing", "no prefixes named under `asn`", "without them no network is ever new"
    if prefixes.reasons or not prefixes.is_readable:
        return "networks", "broken", "; ".join(prefixes.reasons) or "empty", "put a readable table in its place"
    problems = f"; {counted(len(prefixes.problems), 'row')} cannot be used" if prefixes.problems else ""
    rows = counted(prefixes.prefixes.num_rows, "prefix", "prefixes")
    return "networks", "ok", f"{rows}, {len(prefixes.databases)} MMDB{problems}", ""


def _rules(sources: DetectionSources) -> Look:
    rules, unusable = len(sources.all_rules(system_clock().date()).rules), sources.unusable()
    if unusable:
        return "rules", "broken", f"{rules} run; left out: {unusable[0]}", "intelsec rules lint names every problem"
    return "rules", "ok", counted(rules, "rule"), ""
