"""The ``soulcaster`` command: errors become messages on stderr and stable exit codes."""

import os
import sys

import typer

from cli.app import app
from cli.errors import CliError, Exit
from cli.output import plain


def main() -> None:
    """Run the command and exit with one of the codes in ``cli.errors``."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nobody_reads()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """The exit code of one command line."""
    try:
        result = app(arguments, prog_name="soulcaster", standalone_mode=False)
    except CliError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return int(error.code)
    except (KeyboardInterrupt, typer.Abort):
        print(file=sys.stderr)  # the shell's prompt begins a line
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message:
            print(f"Error: {plain(message)}\nTry: {_help_of(error)}", file=sys.stderr)
        return Exit.USAGE
    except BrokenPipeError:  # the reader of our output left (soulcaster logs | head)
        _nobody_reads()
        return Exit.OK
    except SystemExit as left:  # typer ends so when it has answered a shell's completion, and on a broken pipe
        if isinstance(left.__context__, BrokenPipeError):
            _nobody_reads()
            return Exit.OK
        return left.code if isinstance(left.code, int) else Exit.OK
    except Exception as error:  # a bug of ours: a person gets a sentence and how to see more, not a stack
        if os.environ.get("SOULCASTER_DEBUG"):
            raise
        print(
            f"Error: a bug in the command: {type(error).__name__}: {plain(error)}\n"
            "Try: the same with SOULCASTER_DEBUG=1 shows where; please report it",
            file=sys.stderr,
        )
        return Exit.ERROR
    return result if isinstance(result, int) else Exit.OK


def _help_of(error: Exception) -> str:
    """The help that fits: that of the command the wrong line was for."""
    path = getattr(getattr(error, "ctx", None), "command_path", "") or "soulcaster"
    return f"{path} --help"


def _nobody_reads() -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not complain when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
