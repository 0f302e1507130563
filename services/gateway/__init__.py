"""The HTTP and SSE edge: the only door for dashboard, command line and webhooks."""
