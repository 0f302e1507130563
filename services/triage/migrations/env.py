"""Alembic's entry: runs inside the connection and transaction that ``Database.migrate`` opened."""

from alembic import context

from services.triage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
