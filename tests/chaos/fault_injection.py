"""Fault injections: target, action and point of an incident's life. Every combination in turn, in a seeded order."""

import random  # noqa: TID251 - seeded, and no part of the brain
from dataclasses import dataclass, field, replace

from chaos.proxy import Call

TARGETS = ("worker", "operator", "temporal", "kube-apiserver", "etcd")
SINGLE_PROCESS = ("prunella",)
"""The only target where operator, worker and Temporal are one process."""
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
"""The points of an incident's life. "After": the API server has done it, and its answer is held back."""
EXTRA_INJECTIONS = 8
"""Injections into processes in each round, besides the one at each point."""
SHORT_PLAN = (
    ("operator", "opened"),
    ("etcd", "confirming"),
    ("kube-apiserver", "before the write"),
    ("worker", "after the write"),
    ("temporal", "verifying"),
)
"""One kill of each target, at points that every round reaches early."""
_PHASES = {
    "Confirming": "confirming",
    "AwaitingApproval": "awaiting approval",
    "Repairing": "announced",
    "Verifying": "verifying",
    **dict.fromkeys(("Healed", "Escalated", "Recovered", "Cancelled", "Failed"), "closing"),
}
_LAST_ACTION = "/metadata/annotations/prunella.dev~1last-action"
_WORKLOADS = frozenset({"deployments", "statefulsets", "daemonsets"})
_RARE = frozenset({"before the undo", "after the undo", "awaiting approval"})
"""Points that only some workloads reach: the first arrival is taken."""


@dataclass
class FaultInjection:
    """A planned outage. `skip`: the number of arrivals at the point that it lets pass."""

    target: str
    action: str
    point: str
    skip: int
    seconds: float
    delay: float = 0.0
    order: str = "forward"
    """The fate of the call that is held before a write: it is forwarded, lost, or forwarded much later."""
    workload: str = ""
    others: int = 0
    """The number of other incidents that were open at the injection."""
    process: str = ""
    """The process that was hit: of two workers the one whose call was held."""
    tries: int = 1
    begun: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        target = self.process or self.target
        return f"{target} {self.action} for {self.seconds:.1f} s, {self.point} of {self.workload or 'no workload'}"

    @property
    def cell(self) -> tuple[str, str, str]:
        """The field of the table that this fills."""
        return self.target, self.action, self.point


def plan_round(
    seed: str, number: int, longest: float, targets: tuple[str, ...] = TARGETS, more: int = EXTRA_INJECTIONS
) -> list[FaultInjection]:
    """Plan the injections of one round: one at each point, and `more` at processes.

    After as many rounds as there are combinations of target and action (ten; with a single target two), every target
    was killed and stopped at every point once: a Latin square, whose rows and columns the seed shuffles. The others
    are drawn from a deck: eight a round are each of those combinations twice in fifteen rounds.
    """
    blows = [(target, action) for target in targets for action in ACTIONS]
    block, row = divmod(number, len(blows))
    rng = random.Random(f"{seed}/{block}/strikes")
    blows, points = rng.sample(blows, len(blows)), rng.sample(POINTS, len(POINTS))
    cells = [(*blows[(column + row) % len(blows)], point) for column, point in enumerate(points)]
    cells += [] if targets == SINGLE_PROCESS else _extra_cells(seed, number, more)
    rng = random.Random(f"{seed}/{number}/strikes")
    return [_draw_injection(rng, *cell, longest) for cell in cells]


def _extra_cells(seed: str, number: int, count: int) -> list[tuple[str, str, str]]:
    """Additional injections, into all targets but the control plane, which needs half a minute to recover."""
    deck = [(target, action, point) for target in TARGETS[:3] for action in ACTIONS for point in POINTS]

    def card(position: int) -> tuple[str, str, str]:
        turn, place = divmod(position, len(deck))
        return random.Random(f"{seed}/{turn}/more").sample(deck, len(deck))[place]

    return [card(number * count + index) for index in range(count)]


def plan_short_round(seed: str, longest: float) -> list[FaultInjection]:
    """One kill of each target."""
    rng = random.Random(f"{seed}/short")
    return [_draw_injection(rng, target, "killed", point, longest) for target, point in SHORT_PLAN]


def retry_next_round(missed: FaultInjection) -> FaultInjection:
    """The same injection for the next round, at the first arrival at its point."""
    return replace(missed, skip=0, tries=missed.tries + 1, begun=False)


def _draw_injection(rng: random.Random, target: str, action: str, point: str, longest: float) -> FaultInjection:
    """Draw an injection. A third of the pauses last as long as allowed; a kill lasts until the restart."""
    stopped = longest if rng.random() < 1 / 3 else rng.uniform(min(4, longest), longest / 2)
    return FaultInjection(
        target,
        action,
        point,
        skip=0 if point in _RARE else rng.randint(0, 3),
        seconds=rng.uniform(0, min(10, longest)) if action == "killed" else stopped,
        delay=rng.uniform(0, 4) if point in {"verifying", "confirming"} else 0.0,
        order=rng.choice(("forward", "forward", "late", "drop")),
    )


def injection_point(call: Call, *, before: bool) -> tuple[str, str]:
    """The point that a call is about and the workload's name; two empty strings when it is about none.

    One process that is everything (`run`) makes the calls of both.
    """
    parts = call.path.split("/")
    side = "before" if before else "after"
    match call.method, parts[-2:], parts[-3:]:
        case "PATCH", [plural, name], _ if plural in _WORKLOADS and written_action(call.json()):
            return f"{side} the {'undo' if written_action(call.json()).endswith('-undo') else 'write'}", name
        case "PATCH", _, ["incidents", name, "status"] if not before and call.who != "operator":
            phase = ((call.json() or {}).get("status") or {}).get("phase", "")
            return _PHASES.get(phase, ""), _workload_name(name)
        case "POST", [_, "incidents"], _ if not before:
            return "opened", _workload_name(call.json()["metadata"]["name"])
    return "", ""


def written_action(operations: object) -> str:
    """The action id that a JSON patch writes."""
    found = [
        operation["value"]
        for operation in operations or ()
        if isinstance(operation, dict) and operation.get("path") == _LAST_ACTION
    ]
    return found[0] if found else ""


def _workload_name(incident: str) -> str:
    """The workload's name, from the incident's, which is that and a hash."""
    return incident.rpartition("-")[0]
