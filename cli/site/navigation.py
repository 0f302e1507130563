"""What stands in the navigation, in the order of a newcomer's questions. Missing pages are errors."""

from typing import Final

NAVIGATION: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Start", ("README.md", "docs/quickstart.md", "docs/how-to/page.md", "docs/reference/cli.md")),
    (
        "Sources",
        (
            *(
                f"docs/how-to/sources/{name}.md"
                for name in ("sentry", "github", "reddit", "datadog", "splunk", "posthog")
            ),
            "docs/how-to/sources/manual.md",
            "docs/how-to/add-a-source.md",
        ),
    ),
    (
        "Plans and runners",
        (
            *(
                f"docs/how-to/{name}.md"
                for name in ("models", "plans", "github", "agents", "budgets", "repository-settings")
            ),
            *(f"docs/how-to/{name}.md" for name in ("e2b", "aws", "write-a-runner")),
        ),
    ),
    (
        "Operate",
        (
            *(f"docs/how-to/{name}.md" for name in ("sign-in", "compose", "kubernetes")),
            *("docs/operations.md", "docs/security.md", "deploy/nats/README.md", "deploy/e2b/README.md"),
        ),
    ),
    (
        "Reference",
        (
            *("docs/reference/http.md", "docs/reference/messages.md", "docs/reference/settings.md"),
            *("docs/reference/roles.md", "docs/reference/metrics.md", "docs/reference/clustering.md"),
            *("docs/reference/localization.md", "docs/reference/proven.md"),
        ),
    ),
    (
        "Inside",
        (
            "docs/architecture.md",
            *(f"services/{name}/README.md" for name in ("gateway", "orchestrator", "planner", "triage", "collector")),
            *("services/runner_sandbox/README.md", "services/runner_aws/README.md", "sources/README.md"),
            *("CONTRIBUTING.md", "CHANGELOG.md"),
        ),
    ),
)
# Not written yet by whoever owns them, or made by the build itself; everything else in NAVIGATION must exist.
MAY_BE_ABSENT: Final = frozenset(f"docs/how-to/{name}.md" for name in ("agents", "budgets", "repository-settings"))
HOW_TO: Final = "docs/how-to/"
DECISIONS: Final = "docs/adr"
ENTRY: Final = "README.md"
