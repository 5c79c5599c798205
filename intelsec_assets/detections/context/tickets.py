"""Change tickets: one interface to whatever register holds them, and the register that is a CSV file.

Which event a ticket covers is `ticket_match`; a server of tickets implements `TicketSource` where it lives.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from intelsec_assets.wording import counted

# Clocks of a cloud and of a ticket server disagree by seconds, people act minutes early. An hour's disagreement is a
# wrong time zone or a wrong ticket: it must show, so it is not tolerated
CLOCK_TOLERANCE = timedelta(minutes=5)

APPROVED = ("approved", "implemented")
TAKEN_BACK = ("rejected", "cancelled")
NOT_APPROVED = ("draft", "requested", *TAKEN_BACK)
COLUMNS = ("ticket_id", "system", "requester", "target", "action", "valid_from", "valid_to", "status")
ACCOUNT = "account"  # a register of one account need not have it

# a register written every few minutes that is an hour old has stopped being written
DEFAULT_MAX_AGE = timedelta(hours=1)
MAX_BYTES = 100_000_000  # a million tickets; more is another file by mistake

# A column renamed or dates in another order break most rows at once: such a file says nothing, a few typing errors do
_BROKEN_SHARE, _BROKEN_ROWS = 0.1, 3
# less than this beside `*` says nothing
_LEAST_LITERAL = 3
# clocks disagree by an hour of summer time and some minutes; what is further ahead would count as fresh until then
_MOST_AHEAD = timedelta(hours=2)
# spreadsheets make 1.11122E+11 of an account, and drop zeros it begins with
_AWS_ACCOUNT = re.compile(r"[0-9]{12}")
_NAMES_ACCOUNT = re.compile(r":[0-9]{12}:")  # as an ARN does
_REMARK = re.compile(r"#\s*(as_of|since)\s*:\s*(\S+)\s*$")


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to do something: who may do which action to what, and when.

    `requester` names who acts (ARN, user name, e-mail address), `target` the principal or resource acted on, `action`
    the event name; all three may hold `*`. None = not said. `system` is aws, gcp, azure or `*`. `account` is the one
    account, project or subscription that the action is done in; None = any.
    """

    ticket_id: str
    system: str
    requester: str | None
    target: str | None
    action: str
    valid_from: datetime
    valid_to: datetime
    status: str
    account: str | None = None

    @property
    def is_approved(self) -> bool:
        """Whether someone said yes, and nobody took it back."""
        return self.status in APPROVED

    @property
    def counts_everywhere(self) -> bool:
        """Whether who has the requester's name in any account of an organisation may act on it."""
        named = any(text is not None and _NAMES_ACCOUNT.search(text) for text in (self.requester, self.target))
        return self.account is None and not named


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row of a file that could not be used: place, what is wrong, what was expected."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """`tickets.csv:12: …`."""
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class TicketReading:
    """What a register said of a span of time, or why it could not.

    An instant after `covers_until` (or before `covers_from`) is not covered: that no ticket is there then means
    nothing. With a `reason` nothing is covered. None = no bound on that side.
    """

    tickets: tuple[Ticket, ...] = ()
    covers_from: datetime | None = None
    covers_until: datetime | None = None
    problems: tuple[RowProblem, ...] = ()
    reason: str | None = None

    def covers(self, instant: datetime) -> bool:
        """Whether the absence of a ticket at that instant is knowledge."""
        return (
            self.reason is None
            and (self.covers_from is None or self.covers_from <= instant)
            and (self.covers_until is None or instant <= self.covers_until)
        )

    def gaps(self, start: datetime, end: datetime) -> tuple[str, ...]:
        """What it cannot say of a span, in words: all of it, the part beyond its bounds, rows that cannot be used."""
        if self.reason is not None:
            return (self.reason,)
        found = []
        if self.covers_from is not None and self.covers_from > start:
            found.append(f"the register says nothing before {self.covers_from:%Y-%m-%d %H:%M} UTC")
        if self.covers_until is not None and self.covers_until < end:
            found.append(f"the register says nothing after {self.covers_until:%Y-%m-%d %H:%M} UTC")
        if self.problems:
            found.append(f"{counted(len(self.problems), 'row')} cannot be used, the first: {self.problems[0]}")
        return tuple(found)

    @property
    def digest(self) -> str:
        """Changes when a context built from this reading could: part of the fingerprint of what is built.

        Why a register says nothing is told with the time of day, and makes no difference.
        """
        said = (self.tickets, self.covers_from, self.covers_until, self.reason is None)
        return hashlib.sha256(repr(said).encode()).hexdigest()


class TicketSource(Protocol):
    """A register of change tickets."""

    def tickets(self, start: datetime, end: datetime) -> TicketReading:
        """Tickets valid at some instant of [start, end], with CLOCK_TOLERANCE on both sides.

        Never raises for a register that cannot be reached or read: the reading then carries the reason.
        """
        ...


NO_REGISTER = TicketReading(reason="no register of tickets is configured: name one under `tickets` in telemetry.yaml")


@dataclass(frozen=True)
class CsvTickets:
    """A register exported as CSV with the columns of COLUMNS and, if it likes, ACCOUNT; any order, others ignored.

    Lines before the header may say `# as_of: INSTANT` (when it was exported; else the file's time stamp) and
    `# since: INSTANT` (the oldest instant it speaks about). It covers what happens until `max_age` after it was
    exported: a feed that stopped being written must not pass for one without tickets. One that claims to be exported
    after `now`, when it is looked at, covers nothing: nobody knows when it was.
    """

    path: Path
    now: datetime
    max_age: timedelta = DEFAULT_MAX_AGE

    def tickets(self, start: datetime, end: datetime) -> TicketReading:
        """See TicketSource. Bad rows are named and left out; a file that is mostly bad rows is not read at all."""
        try:
            if self.path.stat().st_size > MAX_BYTES:
                return TicketReading(reason=f"{self.path} has more than {MAX_BYTES:,} bytes: export fewer tickets")
            written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
            text = self.path.read_text(encoding="utf-8-sig")
        except (
            OSError,
            UnicodeDecodeError,
            OverflowError,
            ValueError,
        ) as error:  # also: a time stamp beyond the calendar
            return TicketReading(reason=f"{self.path} cannot be read: {error}")
        reading = parse_tickets(text, self.path.name, written=written, now=self.now, max_age=self.max_age)
        return _of_span(reading, start, end)


def parse_tickets(
    text: str, file: str, *, written: datetime, now: datetime, max_age: timedelta = DEFAULT_MAX_AGE
) -> TicketReading:
    """Every ticket of a CSV text; `written` is when it was exported, if it does not say so itself.

    Rows of one id, in any case, are the history of one ticket: if one of them takes it back, no approval of it counts.
    """
    lines = list(io.StringIO(text, newline=""))  # str.splitlines also ends them at what Word puts into a cell
    remarks, skipped = _remarks(lines)
    for name, value in remarks.items():
        if value is None:
            return TicketReading(
                reason=f"{file}: `# {name}:` is no instant with a time zone such as 2026-03-15T12:00:00Z"
            )
    rows = csv.reader(lines[skipped:], strict=True)
    found: list[tuple[int, Ticket]] = []
    taken_back: dict[str, dict[str, int]] = {}
    problems: list[RowProblem] = []
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            return TicketReading(reason=f"{file}:{skipped + 1}: no column {', '.join(missing)}; there are {header}")
        if twice := [name for name in (*COLUMNS, ACCOUNT) if header.count(name) > 1]:
            return TicketReading(reason=f"{file}:{skipped + 1}: the column {', '.join(twice)} stands twice")
        expected = (*COLUMNS, ACCOUNT) if ACCOUNT in header else COLUMNS
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            row, line = dict(zip(header, (cell.strip() for cell in cells), strict=False)), skipped + rows.line_num
            if (status := row.get("status", "").lower()) in TAKEN_BACK:  # also if the row cannot be used otherwise
                taken_back.setdefault(row.get("ticket_id", "").casefold(), {}).setdefault(status, line)
            read = _ticket(row, expected)
            if isinstance(read, Ticket):
                found.append((line, read))
            else:
                problems.append(RowProblem(file, line, read))
    except csv.Error as error:
        return TicketReading(reason=f"{file}:{skipped + rows.line_num}: no CSV: {error}", problems=tuple(problems))
    if len(problems) >= _BROKEN_ROWS and len(problems) > _BROKEN_SHARE * (len(found) + len(problems)):
        reason = (
            f"{len(problems)} of {len(found) + len(problems)} rows of {file} cannot be used, the first: {problems[0]}"
        )
        return TicketReading(reason=reason, problems=tuple(problems))
    tickets, revoked = _without_taken_back(found, taken_back, file)
    problems = sorted([*problems, *revoked], key=lambda problem: problem.line)
    said = remarks.get("as_of")
    exported = said or written
    if exported - now > _MOST_AHEAD:
        claim = "was written in the future, by its time stamp" if said is None else "says it was exported in the future"
        reason = (
            f"{file} {claim}: {exported:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} UTC; set the clock right "
            "that it is written by, or say `# as_of: INSTANT` above its header"
        )
        return TicketReading(reason=reason, problems=tuple(problems))
    try:
        until = exported + max_age
    except OverflowError:
        return TicketReading(
            reason=f"{file}: exported {exported.isoformat()}, which no age can be added to", problems=tuple(problems)
        )
    return TicketReading(tickets, remarks.get("since"), until, tuple(problems))


def _without_taken_back(
    found: Iterable[tuple[int, Ticket]], taken_back: Mapping[str, Mapping[str, int]], file: str
) -> tuple[tuple[Ticket, ...], list[RowProblem]]:
    """Tickets but for approvals of those that were taken back (id -> status -> line); these are named with their lines.

    They do not make a file one that is mostly bad rows: each can be read, and the others are right.
    """
    kept, problems = [], []
    for line, ticket in found:
        against = taken_back.get(ticket.ticket_id.casefold())
        if against is None or not ticket.is_approved:
            kept.append(ticket)
            continue
        where = " and ".join(f"{status} in line {other}" for status, other in against.items())
        text = (
            f"ticket {ticket.ticket_id} is {ticket.status} here and {where}, so it covers nothing: give it one status, "
            "or work that goes on a ticket of its own"
        )
        problems.append(RowProblem(file, line, text))
    return tuple(kept), problems


def _remarks(lines: Sequence[str]) -> tuple[dict[str, datetime | None], int]:
    found: dict[str, datetime | None] = {}
    for number, line in enumerate(lines):
        if not line.startswith("#") and line.strip():
            return found, number
        if said := _REMARK.match(line):
            found[said[1]] = _instant(said[2])
    return found, len(lines)


def _ticket(row: dict[str, str], expected: Sequence[str]) -> Ticket | str:
    """The ticket of a row, or what is wrong with it."""
    lacking = [name for name in expected if name not in row]
    if lacking:
        return f"the row ends before {lacking[0]}: expected {len(expected)} cells"
    if empty := [name for name in ("ticket_id", "action", "status") if not row[name]]:
        return f"{empty[0]} is empty"
    window = [_instant(row[name]) for name in ("valid_from", "valid_to")]
    for name, instant in zip(("valid_from", "valid_to"), window, strict=True):
        if instant is None:
            return f"{name} {row[name]!r} is no instant with a time zone: expected for example 2026-03-13T09:30:00Z"
    start, end = (instant for instant in window if instant is not None)
    if end < start:
        return f"valid_to {row['valid_to']} lies before valid_from {row['valid_from']}"
    status = row["status"].lower()
    if status not in APPROVED + NOT_APPROVED:
        return f"status {row['status']!r} is unknown: expected one of {', '.join(APPROVED + NOT_APPROVED)}"
    for name in ("requester", "target"):
        literal = sum(character.isalnum() for character in row[name])
        if row[name] != "*" and "*" in row[name] and literal < _LEAST_LITERAL:
            return f"{name} {row[name]!r} fits nearly everybody: expected {_LEAST_LITERAL} letters or digits beside `*`"
    requester, target = (None if row[name] in ("", "*") else row[name] for name in ("requester", "target"))
    if requester is None and target is None:
        return "neither requester nor target is said: such a ticket would cover everybody"
    system = row["system"].lower() or "*"
    account = None if row.get(ACCOUNT, "") in ("", "*") else row[ACCOUNT]
    if account is not None and "*" in account:
        return f"account {account!r} is no single account: expected one, or nothing for any"
    if account is not None and system == "aws" and not _AWS_ACCOUNT.fullmatch(account):
        return f"account {account!r} is no account of AWS: expected 12 digits, or nothing for any"
    return Ticket(row["ticket_id"], system, requester, target, row["action"], start, end, status, account)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return None if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _of_span(reading: TicketReading, start: datetime, end: datetime) -> TicketReading:
    """Only what concerns the span, so that a register written again later gives an old day the same context."""
    tickets = tuple(_valid_in(reading.tickets, start - CLOCK_TOLERANCE, end + CLOCK_TOLERANCE))
    until = reading.covers_until
    return replace(reading, tickets=tickets, covers_until=None if until is None or until >= end else until)


def _valid_in(tickets: Iterable[Ticket], start: datetime, end: datetime) -> Iterator[Ticket]:
    return (ticket for ticket in tickets if ticket.valid_from <= end and ticket.valid_to >= start)
