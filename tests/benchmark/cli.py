"""`make benchmark`: judge a healer by the fault suite. See docs/benchmark.md."""

import argparse
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmark.healer import Healer, HealerFailed, build_programs, command_of, name_of
from benchmark.page import PAGE, score, table, with_row
from benchmark.playing import Outcome, play_all
from benchmark.selection import ALL, SHORT, UnknownCase, chosen
from localcluster.console import ClusterError
from support.cases.case import Case, Stage
from support.cluster import ROOT, Cluster, ClusterManager
from support.identity import identity

from prunella_operator import clock

_LABEL = "benchmark-run"
_DETAILS = ROOT / "build" / "benchmark"


class CannotRun(Exception):
    """There is no cluster, or one whose writes are not recorded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the cases and print the table. Returns 2 for a wrong argument, 1 if the run cannot be judged."""
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--healer", required=True, help="a built-in healer, or a program with its arguments")
    parser.add_argument("--cases", default=ALL, help=f"{ALL}, {SHORT}, or names and patterns separated by commas")
    options = parser.parse_args(arguments)
    try:
        command, cases = command_of(options.healer), chosen(options.cases)
    except (HealerFailed, UnknownCase) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the healer ends, the cluster is taken down
    try:
        build_programs(options.healer)
        outcomes = _run(command, cases, _progress())
    except (HealerFailed, CannotRun, ClusterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _publish(name_of(options.healer), options.cases, outcomes)
    return 0


def _progress() -> Callable[[str], None]:
    began = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)


def _run(command: list[str], cases: list[Case], log_progress: Callable[[str], None]) -> list[Outcome]:
    """Play the cases while the healer runs."""
    with _cluster(log_progress) as cluster, tempfile.TemporaryDirectory() as name:
        assert cluster.audit
        audit, run, folder = cluster.audit, secrets.token_hex(3), Path(name)
        with identity(cluster.api, cluster.kubeconfig, cluster.context, folder, f"benchmark-{run}") as account:
            audit.users.add(account.user)
            stages = [Stage(case, cluster, f"{case.name}-{run}", {_LABEL: run}) for case in cases]
            with Healer(command, account.kubeconfig, f"{_LABEL}={run}", folder) as healer:
                log_progress(f"the healer is ready; {len(stages)} cases")
                outcomes = play_all(stages, lambda namespace: audit.writes(account.user, namespace), log_progress)
                healer.assert_running()
        return outcomes


@contextmanager
def _cluster(log_progress: Callable[[str], None]):
    manager = ClusterManager(log_progress)
    try:
        manager.ensure()
        if manager.cluster is None:
            raise CannotRun(f"there is no cluster: {manager.error}")
        _assert_recorded(manager.cluster)
        yield manager.cluster
    finally:
        manager.release()


def _assert_recorded(cluster: Cluster) -> None:
    if cluster.audit is None:
        raise CannotRun("this cluster has no audit log, and a healer is judged by that alone")


def _publish(healer: str, cases: str, outcomes: list[Outcome]) -> None:
    """Print the table and keep it below `build`; the row of a whole set also goes into the page of results."""
    result, details = score(outcomes), _DETAILS / f"{healer}.md"
    details.parent.mkdir(parents=True, exist_ok=True)
    details.write_text(table(outcomes))
    print(f"\n{table(outcomes)}\nalso in {details.relative_to(ROOT)}\n")
    names = ("healed", "left alone", "harmful writes", "median to served again", "not played")
    print("\n".join(f"- {name}: {cell or 'none'}" for name, cell in zip(names, result.cells, strict=True)))
    if cases in (ALL, SHORT):
        when = f"{clock.now():%d %B %Y}, {_commit()}".lstrip("0")
        PAGE.write_text(with_row(PAGE.read_text(), healer, cases, result, when))


def _commit() -> str:
    line = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip() or "no commit"
