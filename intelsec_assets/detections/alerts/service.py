"""The alert service: findings are taken in, alerts change hands, and what is asked about them is answered.

Decisions are those of `intake` and `lifecycle`; this module puts them into the store's transactions and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice

from intelsec_assets.days import day_end
from intelsec_assets.detections.alerts import intake, joining, lifecycle
from intelsec_assets.detections.alerts.asset_policy import AssetPolicy
from intelsec_assets.detections.alerts.grouping import NEAR, Groups, entity_key
from intelsec_assets.detections.alerts.records import (
    ACKNOWLEDGED,
    CLOSED,
    DISPOSITIONED,
    DUPLICATE,
    HUMAN,
    REOPENED,
    TARGET,
    TRIAGED,
    Alert,
    AlertEvent,
    AlertFilter,
    Change,
    DayVersion,
    Intake,
    TakenFinding,
    key_hash,
)
from intelsec_assets.detections.alerts.storage import AlertStore, ChangeTransaction, IntakeTransaction
from intelsec_assets.detections.alerts.triage_time import TriageTimes, spans, triage_times
from intelsec_assets.detections.errors import AlertError
from intelsec_assets.detections.findings import CERTAIN, CONTEXT_UNKNOWN, FLOOD, LIVE, TEST, Finding

FINDINGS_A_TRANSACTION = 1000  # a few hundred milliseconds of everybody else waiting
_SHORTEST_PREFIX = 6  # characters of an id; fewer name too many alerts to be meant
_FINDINGS_SHOWN = 20


class UnknownAlert(AlertError):
    """There is no alert of that name."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """All there is to say about an alert: itself, its events, its last findings, and those that belong to it."""

    alert: Alert
    events: tuple[AlertEvent, ...]
    findings: tuple[TakenFinding, ...]
    parts: tuple[Alert, ...]  # alerts judged to be duplicates of it
    group: tuple[Alert, ...]  # the other alerts of its group


class AlertService:
    """Alerts of a store. Safe for several threads and processes at once, on SQLite and on PostgreSQL."""

    def __init__(self, store: AlertStore, clock: Callable[[], datetime], policy: AssetPolicy | None = None) -> None:
        """Take the store, a clock that gives aware instants, and what assets are worth."""
        self._store = store
        self._clock = clock
        self._policy = policy or AssetPolicy()

    # findings

    def take(self, findings: Iterable[Finding], *, raised_at: datetime | None = None) -> Intake:
        """Take findings in: what raises an alert, joins one, is known or has grown, or counts on a closed one.

        Idempotent. `raised_at` is when they came before people; None = now, or for findings of a day that is over the
        time of their last event, so that days of the past can be replayed. A thousand findings are one transaction:
        what a killed process had not taken is taken by the next call with the same findings. A finding that cannot be
        used is in `refused` and holds nothing up. Raises StoreError.
        """
        now = self._clock()
        done = Intake()
        usable = []
        for finding in findings:
            problem = joining.problem_of(finding)
            if problem is None:
                usable.append(finding)
            else:
                done += Intake(refused=((finding.finding_id, problem),))
        usable.sort(key=lambda finding: (finding.first_event_time, finding.last_event_time, finding.finding_id))
        rest = iter(usable)
        while batch := list(islice(rest, FINDINGS_A_TRANSACTION)):
            with self._store.taking_findings() as transaction:
                done += self._take(transaction, batch, lambda finding: raised_at or _raised(finding, now))
        return done

    def _take(
        self, store: IntakeTransaction, findings: Sequence[Finding], raised: Callable[[Finding], datetime]
    ) -> Intake:
        taken = store.taken({finding.finding_id for finding in findings})
        fresh = [finding for finding in findings if finding.finding_id not in taken]
        holders = _holders_of_grown(store, findings, taken)
        if not fresh and not holders:
            return Intake(duplicates=tuple(finding.finding_id for finding in findings))
        held = {alert.alert_id for alert in holders}
        grown = [one for one in findings if one.finding_id in taken and taken[one.finding_id].alert_id in held]
        placed = [*fresh, *grown]
        begins, ends = intake.reach(placed)
        by_day = {intake.budget_key(finding) for finding in placed if finding.noise_budget is not None}
        by_day |= {intake.intake_key(finding) for finding in placed if finding.kind == FLOOD}
        keys = {intake.intake_key(finding) for finding in placed if finding.kind != FLOOD}
        budgeted = [finding for finding in placed if finding.noise_budget is not None]
        entities = {key for finding in placed if (key := entity_key(finding.mode, finding.entity))}
        found = _with_wholes(store, store.of_keys(by_day, None) + store.of_keys(keys, (begins, ends)) + holders)
        alerts = {alert.alert_id: alert for alert in found}.values()
        entities |= {alert.entity_key for alert in alerts if alert.entity_key}
        around = (
            joining.before(min([begins, *(alert.joined_from for alert in alerts)]), NEAR),
            joining.behind(max([ends, *(alert.joined_to for alert in alerts)]), NEAR),
        )
        known = intake.Known(
            taken=taken,
            alerts=tuple(alerts),
            groups=Groups(store.groups(entities, around)),
            raised=store.raised(
                {intake.finding_rule_key(finding) for finding in budgeted},
                {intake.day_of(finding) for finding in budgeted},
            ),
        )
        planned = intake.plan(findings, known, self._policy, raised)
        new = [alert for name, alert in planned.alerts.items() if name in planned.new]
        changed = [alert for name, alert in planned.alerts.items() if name not in planned.new]
        fresh_rows = [row for name, row in planned.taken.items() if name not in taken]
        grown_rows = [row for name, row in planned.taken.items() if name in taken]
        store.write(new, changed, planned.events, fresh_rows, grown_rows, planned.renamed_groups)
        return planned.intake

    # what is asked of an alert. Each takes `at`, for what happened elsewhere or before, and `request`, an idempotency
    # key: asked again with the same key, nothing changes and the answer says so.

    def acknowledge(
        self,
        alert_id: str,
        actor: str,
        *,
        actor_kind: str = HUMAN,
        note: str | None = None,
        at: datetime | None = None,
        request: str | None = None,
    ) -> Change:
        """Say that somebody has it. Raises UnknownAlert, Refused (its state or a clock forbids it), AlertError."""
        return self._change(_Ask(ACKNOWLEDGED, actor, actor_kind, note, at, request), alert_id)

    def triage(
        self,
        alert_id: str,
        actor: str,
        *,
        actor_kind: str = HUMAN,
        verdict: str | None = None,
        duplicate_of: str | None = None,
        note: str | None = None,
        at: datetime | None = None,
        request: str | None = None,
    ) -> Change:
        """Say that somebody has looked into it, and with a verdict (and its reason as note) what it is.

        Acknowledges it if nobody has. Judging again is a change of verdict: all are kept, the newest counts.
        """
        verb = TRIAGED if verdict is None else DISPOSITIONED
        return self._change(_Ask(verb, actor, actor_kind, note, at, request, verdict, duplicate_of), alert_id)

    def disposition(
        self,
        alert_id: str,
        actor: str,
        verdict: str,
        *,
        note: str,
        actor_kind: str = HUMAN,
        duplicate_of: str | None = None,
        at: datetime | None = None,
        request: str | None = None,
    ) -> Change:
        """Judge it, with the reason as note: `triage` with a verdict."""
        ask = _Ask(DISPOSITIONED, actor, actor_kind, note, at, request, verdict, duplicate_of)
        return self._change(ask, alert_id)

    def close(
        self,
        alert_id: str,
        actor: str,
        *,
        actor_kind: str = HUMAN,
        verdict: str | None = None,
        duplicate_of: str | None = None,
        note: str | None = None,
        at: datetime | None = None,
        request: str | None = None,
    ) -> Change:
        """Close it: it must be judged, before or with this call."""
        return self._change(_Ask(CLOSED, actor, actor_kind, note, at, request, verdict, duplicate_of), alert_id)

    def reopen(
        self,
        alert_id: str,
        actor: str,
        *,
        note: str,
        actor_kind: str = HUMAN,
        at: datetime | None = None,
        request: str | None = None,
    ) -> Change:
        """Open it again, with the reason as note; it waits from then on, its verdict stands until a newer one."""
        if not note.strip():
            raise AlertError(f"alert {alert_id}: say why it is reopened (--reason)")
        return self._change(_Ask(REOPENED, actor, actor_kind, note, at, request), alert_id)

    def _change(self, ask: _Ask, alert_id: str) -> Change:
        lifecycle.checked_words(ask.actor, ask.actor_kind, ask.note, ask.verdict)
        now = self._clock()
        with self._store.changing_alert(alert_id) as transaction:
            alert = transaction.alert
            if alert is None:
                raise UnknownAlert(f"there is no alert {alert_id!r}: intelsec alerts list shows what there is")
            if repeated := self._repeated(transaction, alert, ask):
                return repeated
            _check_duplicate(transaction, alert, ask)
            verbs = lifecycle.steps(alert, ask.verb, actor_kind=ask.actor_kind, has_verdict=ask.verdict is not None)
            moment = lifecycle.moment(alert, verbs, ask.at, now)
            if ask.verdict is not None and alert.verdict is not None:
                moment = _beside_the_other_kind(transaction, alert, ask, moment)
            events = [ask.event(alert, verb, moment) for verb in verbs]
            changed = lifecycle.replayed(alert, events)
            written = transaction.write(changed, events)
        remarks = (moment.remark, _newer_judgement(ask, changed))
        return Change(changed, tuple(written), remarks=tuple(remark for remark in remarks if remark))

    @staticmethod
    def _repeated(transaction: ChangeTransaction, alert: Alert, ask: _Ask) -> Change | None:
        """The answer to a request that was served before."""
        key = ask.request_hash
        if key is None:
            return None
        before = transaction.of_request(key)
        if not before:
            return None
        judged = next((event.verdict for event in before if event.verdict), None)
        if before[-1].event != ask.verb or judged != ask.verdict:
            raise AlertError(
                f"alert {alert.alert_id}: request {ask.request!r} was used before to make it {before[-1].event}"
                f"{f' as {judged}' if judged else ''}: a request names one call; give this one a key of its own"
            )
        return Change(alert, tuple(before), is_repeat=True)

    # what is asked about alerts

    def get(self, alert_id: str) -> Alert:
        """An alert by its id, or by the beginning of it if that names one. Raises UnknownAlert, AlertError."""
        found = self._store.alert(self.resolve(alert_id))
        if found is None:
            raise UnknownAlert(f"there is no alert {alert_id!r}: intelsec alerts list shows what there is")
        return found

    def resolve(self, alert_id: str) -> str:
        """The whole id that begins so. Raises UnknownAlert, or AlertError if several do."""
        wanted = alert_id.strip().lower()
        if len(wanted) >= _SHORTEST_PREFIX:
            found = self._store.alert_ids(wanted, limit=3)
            if wanted in found:
                return wanted
            if len(found) == 1:
                return found[0]
            if found:
                raise AlertError(f"{alert_id!r} is the beginning of several alerts, {', '.join(found)}…: write more")
        raise UnknownAlert(f"there is no alert {alert_id[:80]!r}: intelsec alerts list shows what there is")

    def view(self, alert_id: str) -> AlertView:
        """An alert with all that belongs to it. Raises UnknownAlert, AlertError."""
        alert = self.get(alert_id)
        now = self._clock()
        anything = AlertFilter(states=(), modes=(LIVE, TEST))
        group: list[Alert] = []
        if alert.group_id is not None:
            group = self._store.queue(replace(anything, group_id=alert.group_id), now - TARGET, 100)
        parts = self._store.queue(replace(anything, duplicate_of=alert.alert_id), now - TARGET, 100)
        return AlertView(
            alert,
            tuple(self._store.history(alert.alert_id)),
            tuple(self._store.findings_of(alert.alert_id, _FINDINGS_SHOWN)),
            tuple(parts),
            tuple(other for other in group if other.alert_id != alert.alert_id),
        )

    def history(self, alert_id: str) -> list[AlertEvent]:
        """Events of an alert in the order of recording. Raises UnknownAlert, AlertError."""
        return self._store.history(self.get(alert_id).alert_id)

    def queue(self, wanted: AlertFilter | None = None, limit: int | None = 100) -> list[Alert]:
        """Alerts, the most urgent first; without a filter those that are open and live."""
        return self._store.queue(wanted or AlertFilter(), self._clock() - TARGET, limit)

    def counts(self, wanted: AlertFilter | None = None) -> Mapping[tuple[str, str], int]:
        """How many there are, a severity and state."""
        return self._store.count_alerts(wanted or AlertFilter(states=()))

    def triage_times(self, since: datetime | None = None, until: datetime | None = None) -> TriageTimes:
        """How long people took to acknowledge and triage live alerts created since and before; from their events."""
        wanted = AlertFilter(states=(), created_from=since, created_until=until)
        return triage_times(spans(self._store.events_of(wanted)), self._clock())

    def alert_days(self) -> Mapping[date, DayVersion]:
        """Days that have alerts or events, with what tells whether they changed since they were read."""
        return self._store.alert_days()


def _beside_the_other_kind(
    transaction: ChangeTransaction, alert: Alert, ask: _Ask, moment: lifecycle.Moment
) -> lifecycle.Moment:
    """When a verdict counts beside automation's: that gives way to a person's, and is refused after it."""
    by_person = transaction.was_judged_by_a_person()
    if by_person and ask.actor_kind != HUMAN:
        raise lifecycle.Refused(
            f"alert {alert.alert_id} was judged by a person, which automation does not change: ask a person to judge it"
        )
    if not by_person and ask.actor_kind == HUMAN and alert.verdict_at is not None and moment.at < alert.verdict_at:
        return lifecycle.Moment(alert.verdict_at, f"counts after automation's, at {alert.verdict_at.isoformat()}")
    return moment


def _holders_of_grown(
    store: IntakeTransaction, findings: Sequence[Finding], taken: Mapping[str, TakenFinding]
) -> list[Alert]:
    """Alerts that hold findings which were taken before and say more now than then."""
    known = [(finding, taken[finding.finding_id]) for finding in findings if finding.finding_id in taken]
    grown = {before.alert_id for finding, before in known if joining.growth(finding, before) is not None}
    certain = {before.alert_id for finding, before in known if finding.certainty == CERTAIN} - grown
    return store.of_ids(grown) + store.of_ids(certain, CONTEXT_UNKNOWN)


def _with_wholes(store: IntakeTransaction, alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts with those that duplicates among them stand for. No chain of duplicates is a circle."""
    found = list(alerts)
    parts = found
    while parts := store.of_ids({alert.duplicate_of for alert in parts if alert.duplicate_of}):
        found += parts
    return found


@dataclass(frozen=True, slots=True)
class _Ask:
    """What somebody asks of an alert."""

    verb: str
    actor: str
    actor_kind: str
    note: str | None
    at: datetime | None
    request: str | None
    verdict: str | None = None
    duplicate_of: str | None = None

    @property
    def request_hash(self) -> str | None:
        """The idempotency key in fixed length."""
        return None if self.request is None else key_hash("request", self.request)

    def event(self, alert: Alert, verb: str, moment: lifecycle.Moment) -> AlertEvent:
        """One of the events that the call makes; its note stands where it was meant, remarks about clocks too."""
        judges = verb == DISPOSITIONED
        says = judges or verb == self.verb
        note = "\n".join(part for part in (self.note, moment.remark and f"[{moment.remark}]") if part) if says else None
        return AlertEvent(
            alert.alert_id,
            alert.rule_id,
            verb,
            self.actor,
            self.actor_kind,
            moment.at,
            verdict=self.verdict if judges else None,
            duplicate_of=self.duplicate_of if judges else None,
            note=note or None,
            request=self.request_hash,
        )


def _newer_judgement(ask: _Ask, alert: Alert) -> str | None:
    """That a judgement older than the one that is there changes nothing, lest who gave it believes it did."""
    if ask.verdict is None or alert.verdict == ask.verdict or alert.verdict_at is None:
        return None
    return (
        f"alert {alert.alert_id[:8]}: kept, and the newer judgement stands: {alert.verdict} of "
        f"{alert.verdict_at:%Y-%m-%d %H:%M} UTC"
    )


def _check_duplicate(transaction: ChangeTransaction, alert: Alert, ask: _Ask) -> None:
    if ask.duplicate_of is None:
        if ask.verdict == DUPLICATE:
            raise AlertError(f"alert {alert.alert_id}: a duplicate of which alert? (--of ALERT)")
        return
    if ask.verdict != DUPLICATE:
        raise AlertError(f"alert {alert.alert_id}: --of goes with the verdict duplicate, not {ask.verdict}")
    if ask.duplicate_of == alert.alert_id:
        raise AlertError(f"alert {alert.alert_id} cannot be a duplicate of itself")
    if not transaction.exists(ask.duplicate_of):
        raise UnknownAlert(f"alert {alert.alert_id}: there is no alert {ask.duplicate_of!r} it could be a duplicate of")
    if alert.alert_id in transaction.stands_for(ask.duplicate_of):
        raise AlertError(
            f"alert {alert.alert_id} cannot be a duplicate of {ask.duplicate_of}, which is a duplicate of it: of "
            "alerts that are one, one must stand; judge that one as what it is"
        )


def _raised(finding: Finding, now: datetime) -> datetime:
    """When a finding counts as brought before people, if nobody says: now, unless its day is over."""
    day = intake.day_of(finding)
    return now if day == date.max or day_end(day) > now else finding.last_event_time
