"""Counts of all rounds, as a Markdown table and as JSON, rewritten after each round."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.assertions import Problem
from chaos.fault_injection import ACTIONS, POINTS, FaultInjection

_KINDS = ("lost", "doubled", "incomplete", "foreign", "misreported")


@dataclass
class ChaosResults:
    """Rounds, fault injections and their outcomes. `folder` gets results.json and results.md."""

    folder: Path
    options: str
    injected: list[tuple[FaultInjection, str]] = field(default_factory=list)
    """Each injection with the name of its round."""
    missed: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Faults by the proxy: caller, method, fault."""
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of incidents, by the workload's name and the phase in which they ended."""
    interventions: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """The number of interventions, by kind and by whether something was down then."""
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def add_round(self, name: str, seconds: float, found: list[Problem]) -> None:
        """Record the end of a round."""
        load = os.getloadavg()[1]
        self.problems += [(name, item) for item in found]
        injected = sum(at == name for _, at in self.injected)
        results = {"name": name, "seconds": round(seconds), "load": round(load, 1), "injections": injected}
        self.rounds.append({**results, "problems": [str(item) for item in found]})
        self.save()

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "results.json").write_text(json.dumps(self.as_json(), indent=1) + "\n")
        (self.folder / "results.md").write_text(self.table() + "\n\n" + self.text() + "\n")

    def as_json(self) -> dict[str, Any]:
        cells = [
            {"target": target, "action": action, "point": point, **row}
            for (target, action, point), row in sorted(self.cells().items())
        ]
        return {
            "chosen": self.options,
            "rounds": self.rounds,
            "incidents": sum(self.ends.values()),
            "injections": len(self.injected),
            "others_open": round(self.others, 1),
            "cells": cells,
            "not_reached": dict(self.missed),
            "proxy_faults": {" ".join(key): count for key, count in sorted(self.faults.items())},
            "ends": {f"{name} {phase}": count for (name, phase), count in sorted(self.ends.items())},
            "people": {f"{who}, {_when(down)}": count for (who, down), count in sorted(self.interventions.items())},
            "problems": [f"{name}: {problem}" for name, problem in self.problems],
        }

    @property
    def others(self) -> float:
        """The average number of other incidents that were open at an injection."""
        return sum(injection.others for injection, _ in self.injected) / max(1, len(self.injected))

    def cells(self) -> dict[tuple[str, str, str], Counter[str]]:
        """Injections by (target, action, point): their number, and the problems of the incidents concerned."""
        rows: dict[tuple[str, str, str], Counter[str]] = {}
        for injection, name in self.injected:
            row = rows.setdefault(injection.cell, Counter(n=0))
            row["n"] += 1
            problems = (
                problem for at, problem in self.problems if (at, problem.workload) == (name, injection.workload)
            )
            row.update({problem.kind for problem in problems})
        return rows

    def table(self) -> str:
        """Injections by target, action and point, as Markdown."""
        cells = {cell: row["n"] for cell, row in self.cells().items()}
        lines = [f"| target | how | {' | '.join(POINTS)} | all |", "|---" * (len(POINTS) + 3) + "|"]
        targets = dict.fromkeys(injection.target for injection, _ in self.injected)
        for target in sorted(targets):
            for action in ACTIONS:
                row = [cells.get((target, action, point), 0) for point in POINTS]
                lines.append(f"| {target} | {action} | {' | '.join(str(n or '') for n in row)} | {sum(row)} |")
        sums = [sum(n for (_, _, at), n in cells.items() if at == point) for point in POINTS]
        return "\n".join([*lines, f"| all |  | {' | '.join(map(str, sums))} | {sum(sums)} |"])

    def text(self) -> str:
        """Everything else, line by line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        total = Counter(problem.kind for _, problem in self.problems)
        yield (
            f"{len(self.rounds)} rounds, {sum(self.ends.values())} incidents, {len(self.injected)} injections "
            f"(with {self.others:.1f} other incidents open), {sum(self.faults.values())} faults by the proxy; "
            f"{', '.join(f'{kind} {total[kind]}' for kind in _KINDS)}"
        )
        if self.rounds:
            seconds, loads = ([row[key] for row in self.rounds] for key in ("seconds", "load"))
            yield f"{min(seconds)} to {max(seconds)} s for each round; load {min(loads)} to {max(loads)}"
        for (who, down), count in sorted(self.interventions.items()):
            yield f"  a person {who} {count} times, {_when(down)}"
        for (name, phase), count in sorted(self.ends.items()):
            yield f"  {name}: {phase} {count} times"
        for (caller, method, fault), count in sorted(self.faults.items()):
            yield f"  proxy: {caller} {method} {fault} {count} times"
        for injection, count in sorted(self.missed.items()):
            yield f"  not reached: {injection} {count} times"
        for name, problem in self.problems:
            yield f"  {name}: {problem}"


def _when(down: bool) -> str:
    return "during an outage" if down else "in a quiet moment"
