"""The demo: a sample shop with a real bug, the reports of its users, and a replayed model for those without a key."""
