"""How `prunella doctor` prints its checks."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from prunella_operator.doctor.check import Check
from prunella_operator.presentation.terminal import console, safe


def show(checks: Iterable[Check], as_json: bool) -> bool:
    """Print each check as soon as it is made; whether all passed."""
    out = console()
    if as_json:
        made = list(checks)
        out.print_json(json.dumps([asdict(check) for check in made]), indent=2)
        return all(check.passed for check in made)
    return all([_line(out, check) for check in checks])  # noqa: C419 - all checks are wanted, not only the first bad one


def _line(out: Console, check: Check) -> bool:
    mark = Text("pass", style="green") if check.passed else Text("FAIL", style="bold red")
    out.print(mark + Text(f"  {check.name}: ") + safe(check.what), soft_wrap=True)
    if not check.passed and check.todo:
        out.print(Text("      do: ", style="yellow") + safe(check.todo), soft_wrap=True)
    return check.passed
