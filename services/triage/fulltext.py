"""Full text over reports: FTS5 on SQLite, a text search index on PostgreSQL, one way of asking."""

import re
from typing import Any, Final

import sqlalchemy as sa

from services.triage.tables import feedback

_WORD: Final = re.compile(r"\w+")


def words_of(question: str) -> list[str]:
    """The words asked for, at most 20: whatever else a person types means nothing to the database."""
    return [word.lower()[:60] for word in _WORD.findall(question[:1000])][:20]


def matching(question: str, dialect: str) -> sa.ColumnElement[bool]:
    """Reports that hold every word, the last one perhaps unfinished; none when the question has no word."""
    words = words_of(question)
    if not words:
        return sa.false()
    if dialect == "sqlite":
        asked = " ".join(f'"{word}"' for word in words) + "*"
        found = sa.text("SELECT rowid FROM feedback_text WHERE feedback_text MATCH :asked").bindparams(asked=asked)
        return feedback.c.n.in_(found.columns(sa.column("rowid", sa.Integer)).scalar_subquery())
    document = sa.func.to_tsvector(
        sa.literal_column("'simple'"), feedback.c.title + sa.literal_column("' '") + _start(feedback.c.body)
    )
    query = sa.func.to_tsquery(sa.literal_column("'simple'"), " & ".join(f"{word}" for word in words) + ":*")
    return document.op("@@")(query)


def _start(column: Any) -> Any:
    return sa.func.left(column, sa.literal_column("60000"))
