"""The table of commands."""

from collections.abc import Callable

import typer

from cli.commands import fixes, operations, plans, reports
from cli.doctor import doctor
from cli.embedded.command import up

app = typer.Typer(
    name="soulcaster",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turns what users report into reviewed draft pull requests.",
)

_COMMANDS: tuple[Callable[..., None], ...] = (
    up,
    doctor,
    reports.ingest,
    reports.clusters,
    reports.cluster,
    plans.plan,
    fixes.fix,
    fixes.jobs,
    fixes.logs,
    fixes.cancel,
    fixes.retry,
    fixes.approve,
    operations.runners,
    operations.api,
    operations.version,
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(operations.dead, name="dead-letters")
app.add_typer(operations.contexts, name="context")
