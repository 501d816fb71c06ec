"""The four numbers of a run, its table, and its row on the page of results."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmark.judging import End, healable
from benchmark.playing import Outcome
from support.audit import Write

PAGE = Path(__file__).parents[2] / "docs" / "results" / "benchmark.md"
_HEAD = ("case", "to be", "was", "harmful writes", "seconds to served")


@dataclass(frozen=True)
class Score:
    """Four numbers that are never added up: cases healed, cases left alone, harmful writes, and the median time."""

    healed: int
    healable: int
    left_alone: int
    others: int
    harmful: int
    median_seconds: float | None
    not_played: int
    unjudged: int
    """The changes in cases that were not played."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of a row, from the healed cases on."""
        return (
            f"{self.healed} of {self.healable}",
            f"{self.left_alone} of {self.others}",
            str(self.harmful),
            "" if self.median_seconds is None else f"{self.median_seconds:.0f} s",
            f"{self.not_played}, with {self.unjudged} writes" if self.unjudged else str(self.not_played),
        )


def score(outcomes: Iterable[Outcome]) -> Score:
    """Count the verdicts. A case that could not be played counts in none of the four numbers."""
    everything = list(outcomes)
    judged = [(outcome.case, outcome.verdict) for outcome in everything if outcome.verdict]
    ends = [verdict.end for _, verdict in judged]
    wanted = sum(healable(case) for case, _ in judged)
    seconds = [verdict.seconds for _, verdict in judged if verdict.seconds is not None]
    return Score(
        healed=ends.count(End.HEALED),
        healable=wanted,
        left_alone=ends.count(End.LEFT_ALONE),
        others=len(judged) - wanted,
        harmful=sum(len(verdict.harmful) for _, verdict in judged),
        median_seconds=median(seconds) if seconds else None,
        not_played=len(everything) - len(judged),
        unjudged=sum(len(outcome.unjudged) for outcome in everything),
    )


def table(outcomes: Iterable[Outcome]) -> str:
    """A Markdown table with a row for each case."""
    rows = [_row(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.case.name)]
    return "\n".join(_line(cells) for cells in (_HEAD, tuple("---" for _ in _HEAD), *rows)) + "\n"


def _row(outcome: Outcome) -> tuple[str, ...]:
    wanted = End.HEALED if healable(outcome.case) else End.LEFT_ALONE
    verdict = outcome.verdict
    if verdict is None:
        return (outcome.case.name, wanted, f"**{outcome.error}**", _named(outcome.unjudged), "")
    was = verdict.end if verdict.end == wanted else f"**{verdict.end}**"
    seconds = "" if verdict.seconds is None else f"{verdict.seconds:.0f}"
    return (outcome.case.name, wanted, was, _named(verdict.harmful), seconds)


def _named(writes: Iterable[Write]) -> str:
    return ", ".join(f"{write.verb} {write.resource.lstrip('/')}/{write.name}" for write in writes)


def with_row(page: str, healer: str, cases: str, result: Score, when: str) -> str:
    """The page with the row of a healer and a set of cases; a new healer comes after the last row."""
    row = _line((healer, cases, *result.cells, when))
    lines = page.splitlines()
    begins = f"| {healer} | {cases} |"
    place = next((at for at, line in enumerate(lines) if line.startswith(begins)), None)
    if place is None:
        place = max(at for at, line in enumerate(lines) if line.startswith("| ")) + 1
        lines.insert(place, row)
    lines[place] = row
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
