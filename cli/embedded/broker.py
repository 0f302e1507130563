"""The configuration of the embedded nats-server."""

from pathlib import Path

_CONFIG = """\
host: "127.0.0.1"
port: {port}
server_name: "soulcaster-embedded"
max_payload: 1MB
write_deadline: "10s"
ping_interval: "20s"
jetstream {{ store_dir: "{store}", sync_interval: "1s", max_mem: 256MB, max_file: 20GB }}
# nats-py 2.16 cannot read version 2 ack subjects: one such message ends its read loop.
feature_flags {{ js_ack_fc_v2: false }}
"""


def embedded_config(port: int, store: Path) -> str:
    """Loopback only, no TLS, fsync each second: what a single machine needs."""
    return _CONFIG.format(port=port, store=str(store).replace("\\", "\\\\").replace('"', '\\"'))
