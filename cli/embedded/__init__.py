"""The embedded profile: nats-server and every service as child processes on loopback, data in one folder."""
