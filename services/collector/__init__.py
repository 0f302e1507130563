"""Polls the sources that do not push: GitHub issues, Reddit, PostHog."""
