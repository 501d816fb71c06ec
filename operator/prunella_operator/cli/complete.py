"""`kubectl_complete-prunella`, which kubectl runs with the words so far: prints candidates, then a directive."""

import os
import shlex
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

_NO_FILES = ":4"  # Cobra's ShellCompDirectiveNoFileComp


def main() -> NoReturn:
    """Complete as the shell does for `prunella`."""
    from prunella_operator.cli.main import app  # noqa: PLC0415 - typer reads the environment on import

    _complete(app)


def client_main() -> NoReturn:
    """The same for prunella-client."""
    from prunella_operator.cli.client import create_client  # noqa: PLC0415 - as above

    _complete(create_client())


def _complete(app: "typer.Typer") -> NoReturn:
    """Print, then exit at once as in `cli.main`."""
    words = sys.argv[1:] or [""]
    os.environ["_PRUNELLA_COMPLETE"] = "complete_bash"
    os.environ["COMP_WORDS"] = shlex.join(["prunella", *words])
    os.environ["COMP_CWORD"] = str(len(words))
    with suppress(SystemExit):
        app(prog_name="prunella")
    sys.stdout.write(f"{_NO_FILES}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
