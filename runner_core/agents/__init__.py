"""Coding agents that run headless in a sandbox, one module each. See ``runner_core.protocols.Agent``."""
