"""The command line: faults go to stderr and fail the command; a source without a response is always reported."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lockaudit.advisories import SOURCE, Responses, query_all
from lockaudit.allowed import BadEntry, judge, load_allowed, unused
from lockaudit.locks import find_unlocked, read_lock
from prunella_operator import clock

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = (
    "requirements-client.lock",
    "requirements-image.lock",
    "requirements-embedded.lock",
    "requirements-telemetry.lock",
    "requirements-orders.lock",
)
"""The packages of the client, the image, and the images of quickstart, telemetry worker and order application."""
TESTED = "requirements.lock"
FAULTY, UNKNOWN = 1, 3
"""Exit codes: a fault was found; or none was, but not every package was audited."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the lock files, then query the advisories."""
    options = parser().parse_args(arguments)
    today = clock.now().date()
    shipped, whole = [read_lock(options.folder / name) for name in SHIPPED], read_lock(options.folder / TESTED)
    locks = [*shipped, whole]
    try:
        allowed = load_allowed(options.allowed, today)
    except (BadEntry, ValueError) as error:
        return report_faults([str(error)])
    unlocked = [fault for lock in shipped for fault in find_unlocked(lock, whole)]
    if faults := [*(fault for lock in locks for fault in lock.faults), *unlocked]:
        return report_faults(faults)
    packages = {package for lock in locks for package in lock.pins}
    responses = query_all(packages, options.source, options.seconds)
    if faults := [*judge(responses.advisories, allowed, today), *unused(responses, allowed)]:
        return report_faults([*describe_unaudited(responses), *faults])
    if responses.unanswered:
        return report_faults(describe_unaudited(responses), 0 if options.may_be_offline else UNKNOWN)
    print(f"audit: {len(responses.queried)} packages, none with a known vulnerability that is not allowed ({today})")
    return 0


def parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    found = argparse.ArgumentParser(prog="hack/audit", description="Audit the lock files.")
    found.add_argument(
        "--may-be-offline", action="store_true", help="report a source without a response, but do not fail"
    )
    found.add_argument("--source", default=SOURCE, help="URL of PyPI's JSON API (default: %(default)s)")
    found.add_argument("--seconds", type=float, default=30, help="stop querying after this time (default: %(default)s)")
    found.add_argument("--folder", type=Path, default=ROOT, help="folder of the lock files")
    found.add_argument(
        "--allowed", type=Path, default=ROOT / "hack/audit/allowed.toml", help="file with the accepted vulnerabilities"
    )
    return found


def report_faults(faults: Sequence[str], code: int = FAULTY) -> int:
    """Print the faults and return the exit code."""
    for fault in faults:
        print(f"audit: {fault}", file=sys.stderr)
    return code


def describe_unaudited(responses: Responses) -> list[str]:
    """Describe the packages that were not audited, with the first reason: one line, or none."""
    if not responses.unanswered:
        return []
    total, why = len(responses.queried), next(iter(responses.unanswered.values()))
    if len(responses.unanswered) == total:
        return [f"NOTHING WAS AUDITED for known vulnerabilities: {why}"]
    return [f"{len(responses.unanswered)} of {total} packages were NOT AUDITED for known vulnerabilities: {why}"]
