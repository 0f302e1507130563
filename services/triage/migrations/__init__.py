"""Alembic's revisions of triage's database; ``services.triage.database.Database.migrate`` runs them at start."""
