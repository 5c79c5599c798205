"""Schema v0003: alerts, their events, and the findings they hold.

The tables begin empty: there were no alerts before.
"""

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision: str | None = "v0002"
branch_labels: str | None = None
depends_on: str | None = None


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _alerts()
    _events()
    _findings()


def _alerts() -> None:
    given = (
        *("kind", "engine", "rule_id", "rule_title", "rule_digest", "rule_key", "mode", "dedup_key", "intake_key"),
        *("severity", "severity_reason", "certainty", "finding_id", "state"),
    )
    perhaps = (
        *("entity", "entity_key", "group_id", "account", "region", "source_address", "resource", "runbook"),
        *("verdict", "duplicate_of"),
    )
    counts = ("suppression_seconds", "severity_rank", "event_count", "findings", "suppressed", "events")
    instants = (
        *("first_event_time", "last_event_time", "joined_from", "joined_to", "seen_last"),
        *("created_at", "waiting_since", "changed_at"),
    )
    documents = ("indicator_ids", "raised", "event_ids", "group", "attack", "evidence")
    op.create_table(
        "intelsec_alerts",
        sa.Column("alert_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in given),
        *(sa.Column(name, sa.Text) for name in perhaps),
        *(sa.Column(name, sa.Text, nullable=False) for name in documents),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
        sa.Column("indicator_score", sa.Double),
        sa.Column("human_in_turn", sa.Boolean, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, _instant(), nullable=False) for name in instants),
        *(sa.Column(name, _instant()) for name in ("verdict_at", "acknowledged_at", "triaged_at", "closed_at")),
    )
    for name, columns in (
        ("key", ["intake_key", "joined_to"]),
        ("entity", ["entity_key", "joined_to"]),
        ("day", ["day", "rule_key"]),
        ("group", ["group_id"]),
        ("urgency", ["state", "mode", "severity_rank", "waiting_since"]),
    ):
        op.create_index(f"intelsec_alerts_by_{name}", "intelsec_alerts", columns)
    some = sa.text("duplicate_of is not null")  # few alerts are
    op.create_index(
        "intelsec_alerts_by_duplicate", "intelsec_alerts", ["duplicate_of"], sqlite_where=some, postgresql_where=some
    )


def _events() -> None:
    op.create_table(
        "intelsec_alert_events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("alert_id", "rule_id", "event", "actor", "actor_kind")),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", _instant(), nullable=False),
        *(sa.Column(name, sa.Text) for name in ("verdict", "duplicate_of", "note", "request")),
    )
    op.create_index("intelsec_alert_events_by_alert", "intelsec_alert_events", ["alert_id", "seq"])
    op.create_index("intelsec_alert_events_by_day", "intelsec_alert_events", ["day", "seq"])


def _findings() -> None:
    op.create_table(
        "intelsec_alert_findings",
        sa.Column("finding_id", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("first_event_time", _instant(), nullable=False),
        sa.Column("last_event_time", _instant(), nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.Column("taken_at", _instant(), nullable=False),
    )
    op.create_index("intelsec_alert_findings_by_alert", "intelsec_alert_findings", ["alert_id", "last_event_time"])
