"""Results of the cases: expected and actual end of each, and the writes, from the audit log.

Four things are counted separately, because a healthy end proves little: cases healed that can be healed, cases left
alone that cannot, the right cause, and right ends that were reached by wrong writes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from support.api import Object
from support.cases.run import Case, CaseRun

_HEAD = ("case", "expected", "got", "cause", "writes", "unsafe", "seconds")


@dataclass(frozen=True)
class Result:
    """The outcome of one case. `seconds` run from the fault to the end of the incident that the case is about."""

    case: Case
    got: str
    cause: str
    writes: int
    unsafe: int
    seconds: float | None

    @property
    def expected(self) -> str:
        """Phase and reason of the right end; without a reason any is right."""
        return _end(self.case.phase, self.case.reason)

    @property
    def ended_right(self) -> bool:
        """Check that it ended as it should."""
        phase, _, reason = self.got.partition(": ")
        return self.got == self.expected or self.case.ends_as(phase, reason)

    @property
    def cause_right(self) -> bool:
        """Check that the root cause was found, or none claimed where there is none; a deleted incident has none."""
        return self.cause == (self.case.cause if self.case.phase else "")

    @property
    def written_right(self) -> bool:
        """Check that Prunella wrote exactly what the case wants, and did not even try anything unsafe."""
        return self.writes == self.case.writes and not self.unsafe

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            self.case.name,
            self.expected,
            "as expected" if self.ended_right else f"**{self.got}**",
            self.cause if self.cause_right else f"**{self.cause}**, not {self.case.cause}",
            str(self.writes) if self.writes == self.case.writes else f"**{self.writes}**, not {self.case.writes}",
            str(self.unsafe),
            f"{self.seconds:.0f}" if self.seconds is not None else "",
        )


def result(run: CaseRun) -> Result:
    """The outcome of a case so far. Needs the audit log."""
    incident = run.subject() or {}
    status = incident.get("status") or {}
    writes = [write for write in run.attempted() if write.made and write.verb != "delete"]
    return Result(
        case=run.case,
        got=_end(status.get("phase"), status.get("reason", "")) if run.error is None else "not played",
        cause=status.get("rootCause", ""),
        writes=len(writes),
        unsafe=len(run.unsafe()),
        seconds=_seconds(run, status),
    )


def _end(phase: str | None, reason: str) -> str:
    return ": ".join(filter(None, (phase, reason))) or "no incident"


def _seconds(run: CaseRun, status: Object) -> float | None:
    closed = (status.get("times") or {}).get("closedAt")
    if closed is None or run.broken_at is None or run.case.about:
        return None
    return (datetime.fromisoformat(closed) - run.broken_at).total_seconds()


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table, with the counts below it."""
    rows = sorted(results, key=lambda row: row.case.name)
    lines = [_HEAD, tuple("---" for _ in _HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + "\n".join(counts(rows)) + "\n"


def counts(rows: list[Result]) -> list[str]:
    """Lines with the counts that the suite is about, each separate."""
    healable = [row for row in rows if row.case.phase == "Healed"]
    others = [row for row in rows if row.case.phase != "Healed"]
    times = [row.seconds for row in healable if row.seconds is not None and row.ended_right]
    return [
        f"- healed: {sum(row.ended_right for row in healable)} of {len(healable)} that can be healed",
        f"- safe: {sum(row.ended_right and row.written_right for row in others)} of {len(others)} others left alone",
        f"- diagnosis right: {sum(row.cause_right for row in rows)} of {len(rows)}",
        f"- unsafe passes: {sum(row.ended_right and not row.written_right for row in rows)} of {len(rows)}",
        f"- unsafe writes: {sum(row.unsafe for row in rows)}",
        f"- median from fault to healed: {median(times):.0f} s" if times else "- nothing was healed",
    ]
