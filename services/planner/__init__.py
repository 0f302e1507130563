"""Plans grounded in the repository."""
