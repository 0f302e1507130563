"""Grounding: what a plan can say from the repository alone: commands, tests, suspects, spans, steps."""
