"""The first schema: all tables, and full text over reports (FTS5 on SQLite, a GIN index on PostgreSQL)."""

from alembic import op

from services.triage.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_FTS = """
CREATE VIRTUAL TABLE feedback_text USING fts5(title, body, content='feedback', content_rowid='n', tokenize='unicode61');
CREATE TRIGGER feedback_text_added AFTER INSERT ON feedback BEGIN
  INSERT INTO feedback_text(rowid, title, body) VALUES (new.n, new.title, new.body); END;
CREATE TRIGGER feedback_text_removed AFTER DELETE ON feedback BEGIN
  INSERT INTO feedback_text(feedback_text, rowid, title, body) VALUES ('delete', old.n, old.title, old.body); END;
CREATE TRIGGER feedback_text_changed AFTER UPDATE OF title, body ON feedback BEGIN
  INSERT INTO feedback_text(feedback_text, rowid, title, body) VALUES ('delete', old.n, old.title, old.body);
  INSERT INTO feedback_text(rowid, title, body) VALUES (new.n, new.title, new.body); END
"""


def upgrade() -> None:
    """Create everything."""
    bind = op.get_bind()
    metadata.create_all(bind, checkfirst=False)
    if bind.dialect.name == "sqlite":
        for statement in _statements():
            op.execute(statement)
        return
    op.execute(
        "CREATE INDEX feedback_text ON feedback USING gin (to_tsvector('simple', title || ' ' || left(body, 60000)))"
    )


def downgrade() -> None:
    """Drop everything."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        op.execute("DROP TABLE feedback_text")
    metadata.drop_all(bind)


def _statements() -> list[str]:
    """Each statement begins a line with CREATE."""
    return ["CREATE" + part.rstrip().rstrip(";") for part in _FTS.split("\nCREATE")[1:]]
