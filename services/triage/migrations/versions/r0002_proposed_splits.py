"""Proposed splits beside proposed merges, how many proposals wait on a cluster, and words that a model wrote for it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED: dict[str, tuple[sa.Column[object], ...]] = {
    "proposals": (
        sa.Column("kind", sa.String(8), nullable=False, server_default="merge"),
        sa.Column("groups", sa.Text, nullable=True),
    ),
    "clusters": (
        sa.Column("proposals_open", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("worded", sa.Text, nullable=True),
    ),
}


def upgrade() -> None:
    """Add what the first revision did not make: on an empty database it makes today's tables."""
    known = sa.inspect(op.get_bind())
    for table, columns in _ADDED.items():
        there = {column["name"] for column in known.get_columns(table)}
        for column in columns:
            if column.name not in there:
                op.add_column(table, column)


def downgrade() -> None:
    """Take the columns away."""
    for table, columns in _ADDED.items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(str(column.name))
