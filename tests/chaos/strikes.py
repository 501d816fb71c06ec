"""Who is struck, how, and at which point of an incident's way: dealt from seeded decks, so that all get their turn."""

import random  # noqa: TID251 - seeded, and no part of the brain
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice

from chaos.proxy import Call

VICTIMS = ("worker", "operator", "temporal", "kube-apiserver", "etcd")
ACTIONS = ("killed", "stopped")
POINTS = (
    "opened",
    "confirming",
    "awaiting approval",
    "announced",
    "before the write",
    "after the write",
    "verifying",
    "before the undo",
    "after the undo",
    "closing",
)
"""The ladder's points. "After" is when the API server has done it and its answer is held back."""
_WRITES = ("before the write", "after the write", "before the undo", "after the undo")
_PHASES = {
    "Confirming": "confirming",
    "AwaitingApproval": "awaiting approval",
    "Repairing": "announced",
    "Verifying": "verifying",
    **dict.fromkeys(("Healed", "Escalated", "Recovered", "Failed"), "closing"),
}
_LAST_ACTION = "/metadata/annotations/prunella.dev~1last-action"


@dataclass
class Strike:
    """One outage, planned. `skip`: at how many arrivals at the point it waits for the next one."""

    victim: str
    action: str
    point: str
    skip: int
    seconds: float
    delay: float = 0.0
    order: str = "forward"
    """What becomes of the call that is held before a write: it is forwarded, lost, or forwarded much later."""
    patient: str = ""
    others: int = 0
    """How many incidents were open when it struck."""
    begun: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        return f"{self.victim} {self.action} for {self.seconds:.1f} s, {self.point} of {self.patient or 'nobody'}"


def plans(seed: str, longest: float, each: int) -> Iterator[list[Strike]]:
    """The strikes of round 0, 1, 2, ..., `each` many."""
    dice = random.Random(f"{seed}/strikes")
    blows = _deal(dice, [(victim, action) for victim in VICTIMS for action in ACTIONS])
    points = _deal(dice, [*POINTS, *_WRITES])  # the writes twice: there an effect could be doubled
    for _ in count():
        yield [_strike(dice, next(blows), next(points), longest) for _ in range(each)]


def plan(seed: str, number: int, longest: float, each: int) -> list[Strike]:
    """The strikes of one round."""
    return next(islice(plans(seed, longest, each), number, None))


def _deal(dice: random.Random, cards: list) -> Iterator:
    while True:
        yield from dice.sample(cards, len(cards))


def _strike(dice: random.Random, blow: tuple[str, str], point: str, longest: float) -> Strike:
    victim, action = blow
    skip = dice.randint(0, 1 if "undo" in point or "approval" in point else 3)
    return Strike(
        victim,
        action,
        point,
        skip=0 if "undo" in point else skip,  # in some rounds there is one undo only
        seconds=dice.uniform(0, min(10, longest)) if action == "killed" else dice.uniform(2, longest),
        delay=dice.uniform(0, 4) if point in {"verifying", "confirming"} else 0.0,
        order=dice.choice(("forward", "forward", "late", "drop")),
    )


def point_of(call: Call, *, before: bool) -> tuple[str, str]:
    """The point that a call is about and the patient's name; two empty strings when it is about none."""
    parts = call.path.split("/")
    side = "before" if before else "after"
    match call.who, call.method, parts[-2:], parts[-3:]:
        case "worker", "PATCH", ["deployments", name], _:
            return f"{side} the {'undo' if action_of(call.json()).endswith('-undo') else 'write'}", name
        case "worker", "PATCH", _, ["incidents", name, "status"] if not before:
            phase = ((call.json() or {}).get("status") or {}).get("phase", "")
            return _PHASES.get(phase, ""), _patient(name)
        case "operator", "POST", [_, "incidents"], _ if not before:
            return "opened", _patient(call.json()["metadata"]["name"])
    return "", ""


def action_of(operations: object) -> str:
    """The action id that a JSON patch writes."""
    found = [one["value"] for one in operations or () if isinstance(one, dict) and one.get("path") == _LAST_ACTION]
    return found[0] if found else ""


def _patient(incident: str) -> str:
    """An incident's name is its workload's and a hash."""
    return incident.rpartition("-")[0]
