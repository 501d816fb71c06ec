"""The command line: complaints go to stderr and make it fail; a source that does not answer is always told."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lockaudit.advisories import SOURCE, Answers, ask_all
from lockaudit.allowed import BadEntry, judge, read_allowed, unused
from lockaudit.locks import read_lock, strangers
from prunella_operator import clock

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ("requirements-image.lock", "requirements.lock")
FAULTY, UNKNOWN = 1, 3
"""What it ends with: something is wrong; or nothing is known to be, but not all was audited."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at the lock files, then ask for advisories."""
    options = parser().parse_args(arguments)
    today = clock.now().date()
    image, whole = (read_lock(options.folder / name) for name in LOCKS)
    try:
        allowed = read_allowed(options.allowed, today)
    except (BadEntry, ValueError) as error:
        return complain([str(error)])
    if faults := [*image.faults, *whole.faults, *strangers(image, whole)]:
        return complain(faults)
    answers = ask_all(image.pins.keys() | whole.pins.keys(), options.source, options.seconds)
    if faults := [*judge(answers.advisories, allowed, today), *unused(answers, allowed)]:
        return complain([*blind(answers), *faults])
    if answers.silent:
        return complain(blind(answers), 0 if options.may_be_offline else UNKNOWN)
    print(f"audit: {len(answers.asked)} packages, none of them known to be vulnerable without leave ({today})")
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="hack/audit", description="Audit the lock files.")
    found.add_argument(
        "--may-be-offline", action="store_true", help="a source that does not answer is told, no failure"
    )
    found.add_argument("--source", default=SOURCE, help="where PyPI's JSON API is (default: %(default)s)")
    found.add_argument(
        "--seconds", type=float, default=30, help="after so long no more is asked (default: %(default)s)"
    )
    found.add_argument("--folder", type=Path, default=ROOT, help="where the lock files are")
    found.add_argument("--allowed", type=Path, default=ROOT / "hack/audit/allowed.toml", help="what is accepted")
    return found


def complain(faults: Sequence[str], code: int = FAULTY) -> int:
    """Say what is wrong, and give back what to end with."""
    for fault in faults:
        print(f"audit: {fault}", file=sys.stderr)
    return code


def blind(answers: Answers) -> list[str]:
    """What was not audited, and why: one line, or none."""
    if not answers.silent:
        return []
    total, why = len(answers.asked), next(iter(answers.silent.values()))
    if len(answers.silent) == total:
        return [f"NOTHING WAS AUDITED for known vulnerabilities: {why}"]
    return [
        f"{len(answers.silent)} of {total} packages were NOT AUDITED for known vulnerabilities, as the first: {why}"
    ]
