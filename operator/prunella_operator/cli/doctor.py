"""Output of `prunella doctor`."""

from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from prunella_operator.cli.output import ListFormat, document, for_programs, print_list
from prunella_operator.doctor.check import Check
from prunella_operator.presentation.terminal import console, safe


def print_checks(checks: Iterable[Check], output: ListFormat | None) -> bool:
    """Print each result as it arrives; return whether all passed."""
    if for_programs(output):
        results = list(checks)
        items = [asdict(check) for check in results]
        print_list(document("CheckList", items=items), [check.name for check in results], output)
        return all(check.passed for check in results)
    out = console()
    return all([_print(out, check) for check in checks])  # noqa: C419 - run all checks, not only up to the first failure


def _print(out: Console, check: Check) -> bool:
    result = Text("pass", style="green") if check.passed else Text("FAIL", style="bold red")
    out.print(result + Text(f"  {check.name}: ") + safe(check.message), soft_wrap=True)
    if not check.passed and check.fix:
        out.print(Text("      fix: ", style="yellow") + safe(check.fix), soft_wrap=True)
    return check.passed
