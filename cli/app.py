"""The table of commands."""

from collections.abc import Callable
from typing import Annotated

import typer

from cli.commands import access, clusters, contexts, fixes, jobs, logs, operations, plans, reports, sources, transfer
from cli.completion import completion
from cli.doctor import doctor
from cli.embedded.backup import backup, restore
from cli.embedded.command import up
from cli.options import GIVEN, Given, Key, Project, Url

app = typer.Typer(
    name="soulcaster",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def before(
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
    context: Annotated[str | None, typer.Option(help="A remembered gateway, else SOULCASTER_CONTEXT.")] = None,
    no_input: Annotated[
        bool, typer.Option("--no-input", envvar="SOULCASTER_NO_INPUT", help="Never ask; fail and name the flag.")
    ] = False,
) -> None:
    """Turns what users report into reviewed draft pull requests."""
    GIVEN.set(Given(gateway, api_key, project, context, no_input))


_COMMANDS: tuple[Callable[..., None], ...] = (
    up,
    doctor,
    reports.ingest,
    clusters.clusters,
    clusters.merge,
    clusters.split,
    clusters.undo,
    clusters.dismiss,
    plans.plan,
    fixes.fix,
    jobs.jobs,
    jobs.watch,
    logs.logs,
    jobs.diff,
    fixes.cancel,
    fixes.retry,
    fixes.approve,
    operations.runners,
    access.projects,
    access.whoami,
    clusters.cluster,
    transfer.export,
    backup,
    restore,
    operations.api,
    completion,
    operations.version,
)
for _command in _COMMANDS:
    app.command()(_command)
app.command("import")(transfer.take_in)
app.add_typer(sources.sources, name="sources")
app.add_typer(operations.dead, name="dead-letters")
app.add_typer(access.keys, name="keys")
app.add_typer(access.access, name="access")
app.add_typer(contexts.contexts, name="context")
