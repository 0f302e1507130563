"""Writes the generated pages of docs/reference from the code; ``--check`` only says whether they are current."""

import sys
from pathlib import Path

from cli.embedded.layout import ROOT

TARGET = ROOT / "docs" / "reference"


def generated() -> dict[Path, str]:
    """File -> content."""
    from cli.reference import gateway, pages, wire  # loads every service

    return {
        TARGET / "settings.md": pages.settings_page(),
        TARGET / "cli.md": pages.cli_page(),
        TARGET / "roles.md": gateway.roles_page(),
        TARGET / "http.md": gateway.http_page(),
        TARGET / "messages.md": wire.messages_page(),
        TARGET / "metrics.md": wire.metrics_page(),
    }


def main(arguments: list[str]) -> int:
    """0 when written, or current with ``--check``; 1 when ``--check`` finds a stale page."""
    found = generated()
    stale = [path for path, text in found.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: make generate", file=sys.stderr)
        return 1 if stale else 0
    for path, text in found.items():
        path.write_text(text)
    return 0
