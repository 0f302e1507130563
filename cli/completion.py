"""``completion``: the script that lets a shell complete the command."""

from typing import Annotated

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

from cli.errors import CliError, Exit

completion_init()  # teaches typer to answer the scripts below; its own --install-completion is left out of our help
SHELLS = ("bash", "zsh", "fish")
HOW = {
    "bash": "# soulcaster completion bash > ~/.local/share/bash-completion/completions/soulcaster",
    "zsh": "# soulcaster completion zsh > a file named _soulcaster in a folder of $fpath",
    "fish": "# soulcaster completion fish > ~/.config/fish/completions/soulcaster.fish",
}


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print a shell's completion script.

    Its last line says where to put it.
    """
    if shell not in SHELLS:
        raise CliError(f"no completion for {shell}", next_step=f"one of {', '.join(SHELLS)}", code=Exit.USAGE)
    typer.echo(get_completion_script(prog_name="soulcaster", complete_var="_SOULCASTER_COMPLETE", shell=shell).strip())
    typer.echo(HOW[shell])
