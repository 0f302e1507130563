"""``soulcaster up``: everything on this machine's loopback, until Ctrl-C."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from cli.demo.flow import run_demo
from cli.demo.replay import MODEL, replay_server
from cli.demo.repository import create
from cli.embedded.layout import Layout
from cli.embedded.services import Instance, Model
from cli.embedded.supervisor import partial_of, running
from cli.errors import CliError, Exit
from cli.output import err, is_terminal
from runtime import logs
from runtime.processes import free_port

DEFAULT_PORT = 8080


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Run the main job on a sample repository.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data folder. Default: ./.soulcaster")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Gateway port. Default: 8080, or a free one.")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written when all is ready: one JSON object.")] = None,
    repo: Annotated[str | None, typer.Option(help="Repository of the default project: a path or a URL.")] = None,
) -> None:
    """Start everything on this machine; Ctrl-C stops it all.

    NATS, every service, the local sandbox and the page, on loopback, data in one folder.
    """
    if demo and repo:
        raise CliError("--demo brings its own repository", next_step="leave out --demo or --repo", code=Exit.USAGE)
    folder = (data or Path(".soulcaster/demo" if demo else ".soulcaster")).resolve()
    if demo and data is None:
        shutil.rmtree(folder, ignore_errors=True)  # each demo starts from nothing; the folder is the demo's own
    layout = Layout(folder)
    try:
        layout.prepare()
    except OSError as error:
        raise CliError(
            f"cannot keep data in {folder}",
            why=error.strerror or str(error),
            next_step="choose another folder with --data",
            code=Exit.USAGE,
        ) from error
    _check_ready_file(ready_file)
    repository = str(create(folder / "sample.git")) if demo else _repository(repo)
    raise typer.Exit(asyncio.run(_up(layout, port, ready_file, repository, demo=demo)))


async def _up(layout: Layout, port: int | None, ready_file: Path | None, repository: str, *, demo: bool) -> int:
    """Serve until the work is done or a signal comes; either way everything is stopped before this returns."""
    logs.configure("up", "error", "console")  # a broker that is not up yet is asked again, in silence
    stopped_by: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped_by.put_nowait, number)
    work = asyncio.create_task(_with_model(layout, port, ready_file, repository, demo=demo))
    signalled = asyncio.create_task(stopped_by.get())
    await asyncio.wait({work, signalled}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        signalled.cancel()
        return work.result()
    err.print("\nStopping.")
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled() and (error := work.exception()):
        raise error
    return Exit.INTERRUPTED if signalled.result() == signal.SIGINT else Exit.OK


async def _with_model(layout: Layout, port: int | None, ready_file: Path | None, repository: str, *, demo: bool) -> int:
    model = Model.from_environment(os.environ)
    async with contextlib.AsyncExitStack() as stack:
        if demo and not model.api_key:
            url = await stack.enter_async_context(replay_server())
            model = Model(base_url=url, api_key="replay", name=MODEL, replay=True)
        instance = Instance(layout, free_port(), _gateway_port(port), model, repository)
        return await _serve(instance, ready_file, demo=demo)


async def _serve(instance: Instance, ready_file: Path | None, *, demo: bool) -> int:
    err.print(f"Starting Soulcaster, data in {instance.layout.data}", markup=False)
    async with running(instance, ready_file):
        err.print(f"Ready: {instance.gateway_url}", markup=False)
        err.print(f"Open the page: {instance.dashboard_link()}", markup=False, soft_wrap=True)
        if demo:
            code = await run_demo(instance)
            if code or not is_terminal():
                return code
            err.print(f"\nLook at it on the page: {instance.dashboard_link()}", markup=False, soft_wrap=True)
            err.print("Everything keeps running. Ctrl-C stops it.")
        await asyncio.Event().wait()  # until a signal cancels this
    return Exit.OK


def _check_ready_file(file: Path | None) -> None:
    """Said before anything is started: the ready file is written last of all."""
    if file is None:
        return
    try:
        partial_of(file).touch(mode=0o600)
        partial_of(file).unlink()
    except OSError as error:
        raise CliError(
            f"cannot write {file}",
            why=error.strerror or str(error),
            next_step="choose another --ready-file",
            code=Exit.USAGE,
        ) from error


def _gateway_port(port: int | None) -> int:
    """The port asked for, refused when taken; without one, 8080 or a free port."""
    if port == 0:
        return free_port()
    wanted = DEFAULT_PORT if port is None else port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            if port is None:
                return free_port()
            raise CliError(
                f"port {port} is in use", why=error.strerror or "", next_step="another --port, or 0 for a free one"
            ) from error
    return wanted


def _repository(given: str | None) -> str:
    """A path made absolute, or a URL as it is; raises CliError for a path that holds no Git repository."""
    if not given or "://" in given or given.startswith("git@"):
        return given or ""
    path = Path(given).expanduser().resolve()
    if not (path / ".git").exists() and not (path / "HEAD").exists():
        raise CliError(
            f"{given} is not a Git repository", next_step=f"git -C {given} init, or name another", code=Exit.USAGE
        )
    return str(path)
