"""Runs the agent in a sandbox on this machine or at e2b; runner id ``sandbox_kilo``."""
