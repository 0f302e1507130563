"""Small invented streams of reports for the engine's tests."""

from datetime import UTC, datetime, timedelta

from services.triage.engine import Report

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

_TOPICS = (
    (
        "Export to spreadsheet loses the last column",
        "When I export the invoice table to xlsx, the last column is missing from the file.",
    ),
    (
        "Login page spins for ever behind a proxy",
        "Behind our company proxy the login page shows the spinner and never answers, it says ERR_TUNNEL.",
    ),
    (
        "Dark theme hides the save button",
        "With the dark theme switched on, the save button of the profile dialog has black text on black.",
    ),
    (
        "Search ignores umlauts in customer names",
        "Searching for Müller in customers finds nothing although the record exists; Mueller works.",
    ),
    (
        "Printer dialog crashes on A5 labels",
        "Choosing A5 labels in the printer dialog closes the whole application, log says PRN_0042.",
    ),
    (
        "Calendar shows meetings one hour late",
        "Since the clock change all recurring meetings are displayed one hour too late in the week view.",
    ),
)
_WAYS = (
    ("{title}", "{body}"),
    ("{title} (again)", "Hello support, {body} Please help."),
    ("Problem: {title}", "{body} This happens every day on two machines."),
)


def stream(repeats: int = 3) -> list[Report]:
    """Every topic told `repeats` times, interleaved, one report an hour. Ids are `<topic>-<turn>`."""
    found = []
    for turn in range(repeats):
        for topic, (title, body) in enumerate(_TOPICS):
            way_title, way_body = _WAYS[turn % len(_WAYS)]
            found.append(
                Report(
                    id=f"{topic}-{turn}", source="manual",
                    title=way_title.format(title=title), body=way_body.format(body=body),
                    created_at=START + timedelta(hours=len(found)),
                )
            )  # fmt: skip
    return found


def crash(number: int, module: str, error: str) -> Report:
    """An event with nothing but a trace."""
    frames = "\n".join(
        f"    at org.example.{module}.{name}({module}.java:{number + line})"
        for line, name in enumerate(("parseHeader", "readBlock", "openArchive", "loadAll", "main"))
    )
    return Report(
        id=f"{module}-{number}", source="sentry", title=f"{error}: bad block {number}",
        stacktrace=f"{error}: bad block {number}\n{frames}", created_at=START + timedelta(hours=number),
    )  # fmt: skip
