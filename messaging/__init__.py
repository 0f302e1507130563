"""The only code that imports nats: topology, worker, state, log pipe, follow, dead letters, and the in-memory twin."""
