"""The collector's settings. What to poll is in each project's settings; credentials are the installation's."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read from the environment; each field is its name in capitals."""

    nats_url: Annotated[str, Meta(description="Address of the broker")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="File with the broker's credentials, empty for none")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez, /readyz and /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    collector_interval_seconds: Annotated[float, Meta(description="Seconds between two polls of a feed", gt=0)] = 300.0
    collector_tick_seconds: Annotated[float, Meta(description="Seconds between two looks at what is due", gt=0)] = 1.0
    collector_claim_seconds: Annotated[
        float, Meta(description="After so long without a sign of life another collector takes over a poll", gt=0)
    ] = 20.0
    github_token: Annotated[str, Meta(description="Token that may read the issues of the polled repositories")] = ""
    github_api_url: Annotated[str, Meta(description="GitHub's REST API")] = "https://api.github.com"
    reddit_client_id: Annotated[str, Meta(description="Reddit app; empty: the public listing, politely")] = ""
    reddit_client_secret: Annotated[str, Meta(description="Secret of the Reddit app")] = ""
    reddit_user_agent: Annotated[str, Meta(description="How we name ourselves to Reddit")] = "soulcaster/0.1 (feedback)"
    reddit_auth_url: Annotated[str, Meta(description="Where Reddit gives tokens")] = "https://www.reddit.com"
    reddit_api_url: Annotated[str, Meta(description="Reddit's API with a token")] = "https://oauth.reddit.com"
    reddit_public_url: Annotated[str, Meta(description="Reddit's API without a token")] = "https://www.reddit.com"
    posthog_url: Annotated[str, Meta(description="PostHog's API")] = "https://us.posthog.com"
    posthog_api_key: Annotated[str, Meta(description="Personal API key that may read events")] = ""
    posthog_project_id: Annotated[str, Meta(description="PostHog's number of the project to read")] = ""
