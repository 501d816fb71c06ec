"""Output of `prunella doctor`."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from prunella_operator.doctor.check import Check
from prunella_operator.presentation.terminal import console, safe


def print_checks(checks: Iterable[Check], as_json: bool) -> bool:
    """Print each result as it arrives; return whether all passed."""
    out = console()
    if as_json:
        results = list(checks)
        out.print_json(json.dumps([asdict(check) for check in results]), indent=2)
        return all(check.passed for check in results)
    return all([_print(out, check) for check in checks])  # noqa: C419 - run all checks, not only up to the first failure


def _print(out: Console, check: Check) -> bool:
    result = Text("pass", style="green") if check.passed else Text("FAIL", style="bold red")
    out.print(result + Text(f"  {check.name}: ") + safe(check.message), soft_wrap=True)
    if not check.passed and check.fix:
        out.print(Text("      fix: ", style="yellow") + safe(check.fix), soft_wrap=True)
    return check.passed
