"""Reports that their sender groups are found by that."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME = "feedback_by_fingerprint"


def upgrade() -> None:
    """Add the index, unless the first revision has made it already on an empty database."""
    if _NAME not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("feedback")}:
        op.create_index(_NAME, "feedback", ["project_id", "source", "fingerprint"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_NAME, "feedback")
