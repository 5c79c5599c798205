"""Schema v0001: runs, checks, ledger, targets, exports, quarantine, fetches and notices.

No data is written here; later versions add to these tables in modules of their own.
"""

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def _sequence() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _runs_and_checks()
    _ledger()
    _fetches_and_notices()


def _runs_and_checks() -> None:
    op.create_table(
        "intelsec_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("day", sa.Date),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("finished_at", _instant()),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("intelsec_runs_by_start", "intelsec_runs", ["started_at"])
    op.create_table(
        "intelsec_checks",
        sa.Column("seq", _sequence(), primary_key=True, autoincrement=True),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("check", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("blocking", sa.Boolean, nullable=False),
        sa.Column("data_version", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("intelsec_checks_by_partition", "intelsec_checks", ["day", "asset", "check", "seq"])


def _ledger() -> None:
    op.create_table(
        "intelsec_ledger",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("indicator_id", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )
    op.create_table(
        "intelsec_targets",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("confirmed_day", sa.Date, nullable=False),
    )
    counts = [
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("added", "updated", "withdrawn", "unchanged", "quarantined")
    ]
    op.create_table(
        "intelsec_exports",
        sa.Column("seq", _sequence(), primary_key=True, autoincrement=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        *counts,
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )
    op.create_index("intelsec_exports_by_target", "intelsec_exports", ["target", "day", "seq"])
    op.create_table(
        "intelsec_quarantine",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("indicator_id", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )


def _fetches_and_notices() -> None:
    op.create_table(
        "intelsec_fetches",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("etag", sa.Text),
        sa.Column("last_modified", sa.Text),
        sa.Column("files", sa.Text, nullable=False),
    )
    op.create_table(
        "intelsec_notices",
        sa.Column("seq", _sequence(), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )
