"""Plays the cases of the shadow score, each with its twin."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from support.api import Object, until
from support.cases.aftermaths import HORIZON, PEOPLE_NEED_SECONDS, recorded_aftermaths
from support.cases.run import CaseRun
from support.cases.runner import allow_crowd, run_case
from support.cases.watched import WatchedCase
from support.cluster import Cluster
from support.prunella import SeparateProcesses

from prunella_workflows.model.aftermath import AftermathOutcome

_AT_ONCE = 9
_JUDGED_WITHIN = HORIZON.total_seconds() + 120
_HEAD = ("case", "must be", "found", "the plan's twin in mode Heal", "what was found in words")


@dataclass(frozen=True)
class Judged:
    """A case that was played: the outcome that was found, its words, and the end of the twin."""

    case: WatchedCase
    found: str
    message: str
    twin: str

    @property
    def right(self) -> bool:
        """Report whether the outcome is the right one."""
        return self.found == self.case.outcome

    @property
    def claims_falsely(self) -> bool:
        """Report whether a heal is claimed that Prunella's own repair did not achieve."""
        return self.found == AftermathOutcome.SAME_CHANGE and not self.twin.startswith("Healed")

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        found = self.found if self.right else f"**{self.found}**"
        twin = f"**{self.twin}**" if self.claims_falsely else self.twin
        return (self.case.name, self.case.outcome.value, found, twin, self.message)


class WatchingRun:
    """All cases on one cluster, each with its twin."""

    def __init__(
        self,
        cases: Iterable[WatchedCase],
        cluster: Cluster,
        prunella: SeparateProcesses,
        users: tuple[str, ...],
        log_progress: Callable[[str], None],
    ) -> None:
        run = secrets.token_hex(2)
        self._cluster, self._prunella, self._log = cluster, prunella, log_progress
        self._pairs = [
            (
                case,
                CaseRun(case.observed, cluster, prunella, users, f"watched-{case.name}-{run}"),
                CaseRun(case.twin, cluster, prunella, users, f"twin-{case.name}-{run}"),
            )
            for case in cases
        ]

    def play(self) -> list[Judged]:
        """Play everything while a recorder looks at the observed workloads."""
        allow_crowd(self._cluster.api)
        spaces = [observed.namespace for _, observed, _ in self._pairs]
        with recorded_aftermaths(self._cluster, self._prunella, spaces), ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._play, *zip(*self._pairs, strict=True)))

    def clear(self) -> None:
        """Delete the namespaces without waiting."""
        for _, observed, twin in self._pairs:
            observed.clear()
            twin.clear()

    def _play(self, case: WatchedCase, observed: CaseRun, twin: CaseRun) -> Judged:
        run_case(observed)
        time.sleep(PEOPLE_NEED_SECONDS)
        case.people(observed)
        run_case(twin)
        found = until(lambda: _aftermath(observed), _JUDGED_WITHIN, f"{case.name} is judged", every=2.0)
        judged = Judged(case, found["outcome"], found["message"], _end(twin))
        self._log(" | ".join(judged.cells))
        return judged


def _aftermath(run: CaseRun) -> Object | None:
    """The aftermath of the first incident: a later one is about what followed."""
    incident = run.subject() or {}
    found: Object | None = (incident.get("status") or {}).get("aftermath")
    return found


def _end(run: CaseRun) -> str:
    status = (run.subject() or {}).get("status") or {}
    return f"{status.get('phase')}: {status.get('reason')}"


def table(judged: Iterable[Judged]) -> str:
    """The classification as a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in _lines(judged)) + "\n"


def _lines(judged: Iterable[Judged]) -> Iterator[tuple[str, ...]]:
    yield _HEAD
    yield tuple("---" for _ in _HEAD)
    yield from (row.cells for row in judged)
