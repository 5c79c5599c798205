"""Schema v0002: the log of writes to export targets, from which the ledger follows.

A ledger that is there already becomes the beginning of its log: each entry as the write that would have led to it, an
`add` or, if it is withdrawn, a `withdraw`, on the entry's day and at its time. What came before an entry's last change
is not known and not made up; from here on the log is complete.
"""

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision: str | None = "v0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the table, and begin it with the ledger."""
    op.create_table(
        "intelsec_writes",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("indicator_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite"), nullable=False),
    )
    op.create_index("intelsec_writes_by_day", "intelsec_writes", ["day", "seq"])
    op.execute(
        "insert into intelsec_writes (target, indicator_id, action, event, content_hash, day, at) "
        "select target, indicator_id, case state when 'active' then 'add' else 'withdraw' end, "
        "event, content_hash, day, at from intelsec_ledger order by at, target, indicator_id"
    )
