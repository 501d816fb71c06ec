"""What was counted in all rounds: as a table for people, as JSON for machines, written anew after each round."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.judge import Problem
from chaos.strikes import ACTIONS, POINTS, Strike

_KINDS = ("lost", "doubled", "incomplete", "foreign", "mistold")


@dataclass
class Figures:
    """Rounds, strikes, and what became of them. `folder` gets figures.json and figures.md."""

    folder: Path
    chosen: str
    struck: list[tuple[Strike, str]] = field(default_factory=list)
    """Each strike with the name of its round."""
    missed: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Faults by the proxy: caller, method, fault."""
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How the incidents ended, by the patient's name."""
    people: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """What people did, and whether something was down then."""
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def round(self, name: str, seconds: float, found: list[Problem]) -> None:
        """A round is over."""
        load = os.getloadavg()[1]
        self.problems += [(name, one) for one in found]
        struck = sum(at == name for _, at in self.struck)
        figures = {"name": name, "seconds": round(seconds), "load": round(load, 1), "strikes": struck}
        self.rounds.append({**figures, "problems": [str(one) for one in found]})
        self.save()

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "figures.json").write_text(json.dumps(self.as_json(), indent=1) + "\n")
        (self.folder / "figures.md").write_text(self.table() + "\n\n" + self.text() + "\n")

    def as_json(self) -> dict[str, Any]:
        cells = [
            {"victim": victim, "action": action, "point": point, **row}
            for (victim, action, point), row in sorted(self.cells().items())
        ]
        return {
            "chosen": self.chosen,
            "rounds": self.rounds,
            "incidents": sum(self.ends.values()),
            "strikes": len(self.struck),
            "others_open": round(self.others, 1),
            "cells": cells,
            "not_reached": dict(self.missed),
            "proxy_faults": {" ".join(key): count for key, count in sorted(self.faults.items())},
            "ends": {f"{name} {phase}": count for (name, phase), count in sorted(self.ends.items())},
            "people": {f"{who}, {_when(down)}": count for (who, down), count in sorted(self.people.items())},
            "problems": [f"{name}: {one}" for name, one in self.problems],
        }

    @property
    def others(self) -> float:
        """How many other incidents were open at a strike, on average."""
        return sum(one.others for one, _ in self.struck) / max(1, len(self.struck))

    def cells(self) -> dict[tuple[str, str, str], Counter[str]]:
        """Kill points: victim, action, point -> n, and the problems of the incidents that were struck."""
        rows: dict[tuple[str, str, str], Counter[str]] = {}
        for strike, name in self.struck:
            row = rows.setdefault(strike.cell, Counter(n=0))
            row["n"] += 1
            row.update({one.kind for at, one in self.problems if at == name and one.patient == strike.patient})
        return rows

    def table(self) -> str:
        """Strikes by victim, action and point, as Markdown."""
        cells = {cell: row["n"] for cell, row in self.cells().items()}
        lines = [f"| victim | how | {' | '.join(POINTS)} | all |", "|---" * (len(POINTS) + 3) + "|"]
        victims = dict.fromkeys(one.victim for one, _ in self.struck)
        for victim in sorted(victims):
            for action in ACTIONS:
                row = [cells.get((victim, action, point), 0) for point in POINTS]
                lines.append(f"| {victim} | {action} | {' | '.join(str(n or '') for n in row)} | {sum(row)} |")
        sums = [sum(n for (_, _, at), n in cells.items() if at == point) for point in POINTS]
        return "\n".join([*lines, f"| all |  | {' | '.join(map(str, sums))} | {sum(sums)} |"])

    def text(self) -> str:
        """Everything else, line by line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        total = Counter(one.kind for _, one in self.problems)
        yield (
            f"{len(self.rounds)} rounds, {sum(self.ends.values())} incidents, {len(self.struck)} strikes "
            f"(with {self.others:.1f} other incidents open), {sum(self.faults.values())} faults by the proxy; "
            f"{', '.join(f'{kind} {total[kind]}' for kind in _KINDS)}"
        )
        if self.rounds:
            seconds, loads = ([one[key] for one in self.rounds] for key in ("seconds", "load"))
            yield f"{min(seconds)} to {max(seconds)} s for each round; load {min(loads)} to {max(loads)}"
        for (who, down), count in sorted(self.people.items()):
            yield f"  a person {who} {count} times, {_when(down)}"
        for (name, phase), count in sorted(self.ends.items()):
            yield f"  {name}: {phase} {count} times"
        for (caller, method, fault), count in sorted(self.faults.items()):
            yield f"  proxy: {caller} {method} {fault} {count} times"
        for strike, count in sorted(self.missed.items()):
            yield f"  not reached: {strike} {count} times"
        for name, one in self.problems:
            yield f"  {name}: {one}"


def _when(down: bool) -> str:
    return "during an outage" if down else "in a quiet moment"
