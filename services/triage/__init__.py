"""Reports to clusters: the owner of the database of feedback and clusters."""
