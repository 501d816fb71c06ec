"""`kubectl_complete-prunella`: what kubectl runs to complete `kubectl prunella ...`.

It gets the words so far, the unfinished one last, and prints a candidate a line and then a directive: `:4`, no files.
"""

import os
import shlex
import sys
from contextlib import suppress
from typing import NoReturn

_NO_FILES = ":4"


def main() -> NoReturn:
    """Complete as the shell would for `prunella`, and leave at once, see `cli.main`."""
    from prunella_operator.cli.main import app  # noqa: PLC0415 - typer reads the environment when it is imported

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
