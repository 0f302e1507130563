"""The commands, grouped as people think of them: reports, plans, fixes, operations."""
