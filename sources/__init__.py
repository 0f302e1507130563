"""One file per feedback source: pure ``verify`` and ``normalise``. ``TABLE`` is the one list of them.

A new source is one module here, one line in TABLE, and its name in ``schemas.feedback.Source``.
"""

from typing import Final

from sources import datadog, github, manual, posthog, reddit, sentry, splunk
from sources.base import Settings, Source
from sources.errors import Filtered, Malformed, Unauthorized
from sources.reading import parse

TABLE: Final[dict[str, Source]] = {
    "sentry": sentry,
    "github": github,
    "reddit": reddit,
    "datadog": datadog,
    "splunk": splunk,
    "posthog": posthog,
    "manual": manual,
}

__all__ = ["TABLE", "Filtered", "Malformed", "Settings", "Source", "Unauthorized", "parse"]
