"""``python -m messaging.provision``: streams, consumers and buckets as ``messaging/topology.py`` has them."""

import argparse
import asyncio
import sys

from messaging.connection import connect
from messaging.ports import BusError
from messaging.provisioning import apply
from messaging.topology import KNOWN_RUNNERS, PROFILES
from runtime import logs


async def provision(url: str, profile: str = "embedded", *, creds: str = "", runners: tuple[str, ...] = ()) -> None:
    """Create or update the whole topology, and the consumers of the known runners. Safe to repeat and to run twice."""
    bus = await connect(url, service="provisioner", creds=creds)
    try:
        await apply(bus.link, PROFILES[profile], runners=(*KNOWN_RUNNERS, *runners))
    finally:
        await bus.close()


def main(argv: list[str] | None = None) -> int:
    """The command line of the provisioner."""
    parser = argparse.ArgumentParser(prog="python -m messaging.provision", description=main.__doc__)
    parser.add_argument("--url", default="nats://127.0.0.1:4222")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="embedded")
    parser.add_argument("--creds", default="", help="file with user:password, or a .creds file")
    parser.add_argument("--runner", action="append", default=[], help="id of one more runner; may be repeated")
    options = parser.parse_args(argv)
    logs.configure("provisioner", "error", "console")  # a broker that is not up yet is asked again, in silence
    try:
        asyncio.run(provision(options.url, options.profile, creds=options.creds, runners=tuple(options.runner)))
    except (BusError, OSError, TimeoutError) as error:
        sys.stderr.write(f"Nothing more was made at {options.url}: {str(error) or type(error).__name__}\n")
        if "storage" in str(error):
            sys.stderr.write("The server reserves the limits of all streams: raise max_file in its configuration.\n")
        return 1
    sys.stderr.write(f"{options.url} has the streams, buckets and consumers of the profile {options.profile}.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
