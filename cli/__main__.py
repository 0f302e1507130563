"""The ``soulcaster`` command: errors become messages on stderr and stable exit codes."""

import os
import sys

import typer

from cli.app import app
from cli.errors import CliError, Exit


def main() -> None:
    """Run the command and exit with one of the codes in ``cli.errors``."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of one command line."""
    try:
        result = app(arguments, standalone_mode=False)
    except CliError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return int(error.code)
    except typer.Abort:
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        print(f"Error: {error}\nTry: soulcaster --help", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of our output left (soulcaster logs | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return result if isinstance(result, int) else Exit.OK


if __name__ == "__main__":
    main()
