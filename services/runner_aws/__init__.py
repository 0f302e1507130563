"""Runs the coding agent in ECS tasks on Fargate: runner id ``aws_kilo``."""
