"""The origin of an anomaly: the service that owns the errors, or the slow time, that others only pass on.

All that is unusual below the subject is added up and shared out: errors without an erring child to their service;
calls that failed although the callee's server did not, or that waited before or after it, to the two ends of the edge,
by the share of each end's edges that are as bad. A service whose every edge is bad is slow or away itself; one bad edge
of many says little about either end. The time of a service is what is left of its rise after its callees' and the
edges'. A candidate is named if most of it is its own and no other comes near; else the origin is unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MOST = 0.6  # of all blame, that an origin has
_NEAR = 0.55  # of the first candidate's blame, up to which a second one is not near
_EVENTS = 3.0  # recent failures, at least
_OWN_TIME = 0.3  # of the rise of a service's duration, that its own is at least
_SERIOUS = 0.05  # of the subject's requests: fewer failures do not explain slowness
_PATHS = 10


@dataclass(frozen=True, slots=True)
class Node:
    """A service now: recent requests, own errors beyond the normal ones, the share of requests that its server fails
    beyond the normal one, and the rise of its mean duration in ms.
    """

    requests: float = 0.0
    own_errors: float = 0.0
    server_share: float = 0.0
    slow_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """The calls of one service by another now: those beyond the normal number that failed, or that are missing, and
    the rise of the mean gap in ms.
    """

    caller: str
    callee: str
    calls: float = 0.0
    failures: float = 0.0
    vanished: float = 0.0
    slow_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Origin:
    """The service that causes an anomaly, None if unknown, and the bad edges that lead from the subject down."""

    service: str | None = None
    edges: tuple[str, ...] = ()


@dataclass
class Graph:
    """Services by name, and the edges that leave and reach each."""

    nodes: Mapping[str, Node]
    edges: Iterable[Edge]
    leaving: dict[str, list[Edge]] = field(default_factory=dict)
    reaching: dict[str, list[Edge]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for edge in self.edges:
            self.leaving.setdefault(edge.caller, []).append(edge)
            self.reaching.setdefault(edge.callee, []).append(edge)

    def node(self, name: str) -> Node:
        """A service; one that is only called has no data of its own."""
        return self.nodes.get(name, Node())

    def unexplained(self, edge: Edge) -> float:
        """Failures of calls that the callee's server did not report: it is away, or the network is."""
        rest = edge.failures - edge.calls * self.node(edge.callee).server_share
        return rest if rest > max(_EVENTS, 0.3 * edge.failures) else 0.0

    def missing(self, edge: Edge) -> float:
        """Calls that failed to arrive: missing ones count only if all callers miss this callee."""
        reaching = self.reaching[edge.callee]
        away = len(reaching) > 1 and all(each.vanished or self.unexplained(each) for each in reaching)
        return self.unexplained(edge) or (edge.vanished if away else 0.0)

    def walk(self, subject: str) -> tuple[list[str], list[Edge]]:
        """The services below the subject that bad edges lead to, itself first, and these edges. Loops end."""
        found, edges = [subject], []
        for name in found:
            for edge in self.leaving.get(name, []):
                if self._is_bad(edge):
                    edges.append(edge)
                    if edge.callee not in found:
                        found.append(edge.callee)
        return found, edges

    def _is_bad(self, edge: Edge) -> bool:
        return bool(edge.failures or edge.vanished or edge.slow_ms or self.node(edge.callee).slow_ms)


def find_origin(subject: str, graph: Graph, slow: bool) -> Origin:
    """The origin of a raised error share, or of a slow service: errors explain slowness if they are not few."""
    services, edges = graph.walk(subject)
    paths = tuple(f"{edge.caller} -> {edge.callee}" for edge in edges[:_PATHS])
    blame = _blame_errors(graph, services)
    if slow and sum(blame.values()) < max(_EVENTS, _SERIOUS * graph.node(subject).requests):
        blame = _blame_time(graph, services)
    return Origin(_first(blame), paths)


def _blame_errors(graph: Graph, services: list[str]) -> dict[str, float]:
    blame: dict[str, float] = {}
    for name in services:
        own = graph.node(name).own_errors
        for edge in graph.leaving.get(name, []):
            if amount := graph.missing(edge):
                own -= amount
                _blame_ends(blame, edge, amount, [each for each in _around(graph, edge) if graph.missing(each)], graph)
            elif edge.vanished:
                blame[""] = blame.get("", 0.0) + min(own, edge.vanished)
        if own >= _EVENTS:
            blame[name] = blame.get(name, 0.0) + own
    return blame


def _blame_time(graph: Graph, services: list[str]) -> dict[str, float]:
    blame: dict[str, float] = {}
    for name in services:
        node = graph.node(name)
        own = rise = node.slow_ms * node.requests
        for edge in graph.leaving.get(name, []):
            own -= edge.calls * (edge.slow_ms + graph.node(edge.callee).slow_ms)
            if edge.slow_ms:
                bad = [each for each in _around(graph, edge) if each.slow_ms]
                _blame_ends(blame, edge, edge.calls * edge.slow_ms, bad, graph)
        if own > _OWN_TIME * rise:
            blame[name] = blame.get(name, 0.0) + own
    return blame


def _around(graph: Graph, edge: Edge) -> list[Edge]:
    """All edges of both ends."""
    return [
        each
        for name in (edge.caller, edge.callee)
        for each in (*graph.leaving.get(name, []), *graph.reaching.get(name, []))
    ]


def _blame_ends(blame: dict[str, float], edge: Edge, amount: float, bad: list[Edge], graph: Graph) -> None:
    """Share the amount out to both ends, each by the share of its edges that are bad."""
    for name in (edge.caller, edge.callee):
        mine = [*graph.leaving.get(name, []), *graph.reaching.get(name, [])]
        live = [each for each in mine if each.calls or each.vanished]
        share = sum(each in bad for each in live) / len(live) if live else 0.0
        blame[name] = blame.get(name, 0.0) + amount * share


def _first(blame: dict[str, float]) -> str | None:
    """The candidate with most of the blame; the blame of "" has no candidate."""
    ranked = sorted(((amount, name) for name, amount in blame.items()), reverse=True)
    if not ranked or ranked[0][0] <= 0:
        return None
    total = sum(amount for amount, _ in ranked)
    second = ranked[1][0] if len(ranked) > 1 else 0.0
    amount, name = ranked[0]
    return name if name and amount >= _MOST * total and second <= _NEAR * amount else None
