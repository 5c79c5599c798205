"""The tables of the store at the newest schema version, and the column types that behave alike on both databases.

How an older store gets here is in `migrations`; a test holds the two together.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import PurePath
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

# A prefix, not a schema: SQLite has none, and on PostgreSQL the store may share a database with Dagster, whose
# tables are called `runs` and `alembic_version` too.
PREFIX = "intelsec_"
VERSION_TABLE = f"{PREFIX}schema_version"
NEWEST = "v0003"  # the last step in `migrations/versions`


class Instant(TypeDecorator[datetime]):
    """An aware instant, returned in UTC. SQLite keeps it as text of fixed width, so that text order is time order."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """TIMESTAMPTZ where there is one, else text."""
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Raises ValueError for an instant without a zone: it would mean another moment on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"instant {value.isoformat()} has no time zone; the store takes aware instants only")
        utc = value.astimezone(UTC)
        return f"{utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """The instant in UTC."""
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class Text(TypeDecorator[str]):
    r"""Text of any content. NUL and lone surrogates, which PostgreSQL refuses, are kept as `\x00` and `\udcxx`."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """The text as both databases can keep it."""
        if value is None or (value.isascii() and "\x00" not in value):
            return value
        return value.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class Json(TypeDecorator[Any]):
    """A JSON document in ASCII text with sorted keys: equal values give equal bytes, and any string fits."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        """Days, instants, paths, UUIDs and sets become text and lists; anything else unknown is a TypeError."""
        return json.dumps(value, sort_keys=True, ensure_ascii=True, default=_plain)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """The document."""
        return None if value is None else json.loads(value)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, PurePath | UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "items"):
        return dict(value.items())
    if hasattr(value, "item"):  # a NumPy or Arrow scalar
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be kept as JSON")


# SQLite numbers rows by itself only if the column is exactly INTEGER
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()

runs = sa.Table(
    f"{PREFIX}runs",
    metadata,
    sa.Column("run_id", Text, primary_key=True),
    sa.Column("job", Text, nullable=False),
    sa.Column("day", sa.Date),
    sa.Column("status", Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("summary", Json, nullable=False),
    sa.Column("error", Text),
    sa.Index(f"{PREFIX}runs_by_start", "started_at"),
)

checks = sa.Table(
    f"{PREFIX}checks",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),  # the order of recording; clocks may disagree
    sa.Column("asset", Text, nullable=False),
    sa.Column("check", Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("severity", Text, nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("data_version", Text),
    sa.Column("run_id", Text),
    sa.Column("at", Instant, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Index(f"{PREFIX}checks_by_partition", "day", "asset", "check", "seq"),
)

ledger = sa.Table(
    f"{PREFIX}ledger",
    metadata,
    sa.Column("target", Text, primary_key=True),
    sa.Column("indicator_id", Text, primary_key=True),
    sa.Column("event", Text, nullable=False),
    sa.Column("content_hash", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

writes = sa.Table(
    f"{PREFIX}writes",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),  # the order of confirming; clocks may disagree
    sa.Column("target", Text, nullable=False),
    sa.Column("indicator_id", Text, nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("event", Text, nullable=False),
    sa.Column("content_hash", Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index(f"{PREFIX}writes_by_day", "day", "seq"),
)

targets = sa.Table(
    f"{PREFIX}targets",
    metadata,
    sa.Column("target", Text, primary_key=True),
    sa.Column("confirmed_day", sa.Date, nullable=False),
)

exports = sa.Table(
    f"{PREFIX}exports",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("target", Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("run_id", Text),
    sa.Column("status", Text, nullable=False),
    sa.Column("added", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, nullable=False),
    sa.Column("unchanged", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("detail", Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index(f"{PREFIX}exports_by_target", "target", "day", "seq"),
)

quarantine = sa.Table(
    f"{PREFIX}quarantine",
    metadata,
    sa.Column("target", Text, primary_key=True),
    sa.Column("indicator_id", Text, primary_key=True),
    sa.Column("event", Text, nullable=False),
    sa.Column("content_hash", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

fetches = sa.Table(
    f"{PREFIX}fetches",
    metadata,
    sa.Column("feed", Text, primary_key=True),
    sa.Column("url", Text, nullable=False),
    sa.Column("etag", Text),
    sa.Column("last_modified", Text),
    sa.Column("files", Json, nullable=False),
)

notices = sa.Table(
    f"{PREFIX}notices",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("kind", Text, nullable=False),
    sa.Column("subject", Text, nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

alerts = sa.Table(
    f"{PREFIX}alerts",
    metadata,
    sa.Column("alert_id", Text, primary_key=True),
    *(
        sa.Column(name, Text, nullable=False)
        for name in (
            *("kind", "engine", "rule_id", "rule_title", "rule_digest", "rule_key", "mode", "dedup_key", "intake_key"),
            *("severity", "severity_reason", "certainty", "finding_id", "state"),
        )
    ),
    *(
        sa.Column(name, Text)
        for name in (
            *("entity", "entity_key", "group_id", "account", "region", "source_address", "resource", "runbook"),
            *("verdict", "duplicate_of"),
        )
    ),
    *(
        sa.Column(name, Json, nullable=False)
        for name in ("indicator_ids", "raised", "event_ids", "group", "attack", "evidence")
    ),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("suppression_seconds", "severity_rank", "event_count", "findings", "suppressed", "events")
    ),
    sa.Column("indicator_score", sa.Double),
    sa.Column("human_in_turn", sa.Boolean, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    *(
        sa.Column(name, Instant, nullable=False)
        for name in (
            *("first_event_time", "last_event_time", "joined_from", "joined_to", "seen_last"),
            *("created_at", "waiting_since", "changed_at"),
        )
    ),
    *(sa.Column(name, Instant) for name in ("verdict_at", "acknowledged_at", "triaged_at", "closed_at")),
    sa.Index(f"{PREFIX}alerts_by_key", "intake_key", "joined_to"),
    sa.Index(f"{PREFIX}alerts_by_entity", "entity_key", "joined_to"),
    sa.Index(f"{PREFIX}alerts_by_day", "day", "rule_key"),
    sa.Index(f"{PREFIX}alerts_by_group", "group_id"),
    sa.Index(
        f"{PREFIX}alerts_by_duplicate",
        "duplicate_of",
        sqlite_where=sa.column("duplicate_of").is_not(None),
        postgresql_where=sa.column("duplicate_of").is_not(None),
    ),
    sa.Index(f"{PREFIX}alerts_by_urgency", "state", "mode", "severity_rank", "waiting_since"),
)

alert_events = sa.Table(
    f"{PREFIX}alert_events",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),  # the order of recording; clocks may disagree
    sa.Column("alert_id", Text, nullable=False),
    sa.Column("rule_id", Text, nullable=False),
    sa.Column("event", Text, nullable=False),
    sa.Column("actor", Text, nullable=False),
    sa.Column("actor_kind", Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("verdict", Text),
    sa.Column("duplicate_of", Text),
    sa.Column("note", Text),
    sa.Column("request", Text),
    sa.Index(f"{PREFIX}alert_events_by_alert", "alert_id", "seq"),
    sa.Index(f"{PREFIX}alert_events_by_day", "day", "seq"),
)

alert_findings = sa.Table(
    f"{PREFIX}alert_findings",
    metadata,
    sa.Column("finding_id", Text, primary_key=True),  # a finding is taken once
    sa.Column("alert_id", Text, nullable=False),
    sa.Column("outcome", Text, nullable=False),
    sa.Column("first_event_time", Instant, nullable=False),
    sa.Column("last_event_time", Instant, nullable=False),
    sa.Column("event_count", sa.BigInteger, nullable=False),
    sa.Column("taken_at", Instant, nullable=False),
    sa.Index(f"{PREFIX}alert_findings_by_alert", "alert_id", "last_event_time"),
)
