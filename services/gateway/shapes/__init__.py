"""Pydantic models of the HTTP surface: strict where strangers write, documentation where we answer."""
