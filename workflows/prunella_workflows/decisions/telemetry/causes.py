"""Origins of the anomalies of one window, from the memory of services and edges."""

from prunella_workflows.decisions.telemetry.histogram import mean_ms
from prunella_workflows.decisions.telemetry.memory import Memory
from prunella_workflows.decisions.telemetry.origin import Edge, Graph, Node, Origin, find_origin
from prunella_workflows.model.telemetry import AnomalyKind


class Causes:
    """The graph of services as it is now, made when it is first needed."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._graph: Graph | None = None

    def find(self, name: str, kind: AnomalyKind) -> Origin:
        """The origin of a service's anomaly; unknown for those that are no matter of requests."""
        if kind not in (AnomalyKind.ERROR_RATE, AnomalyKind.LATENCY):
            return Origin()
        if self._graph is None:
            self._graph = Graph(self._nodes(), self._edges())
        return find_origin(name, self._graph, slow=kind is AnomalyKind.LATENCY)

    def _nodes(self) -> dict[str, Node]:
        return {name: self._node(name) for name in self._memory.services}

    def _node(self, name: str) -> Node:
        memory = self._memory.services[name]
        own, latency = memory.own, memory.latency
        slow_ms = mean_ms(latency.run) - mean_ms(latency.normal) if latency.run and latency.normal else 0.0
        return Node(own.recent[0], own.own, own.server_share, max(0.0, slow_ms))

    def _edges(self) -> list[Edge]:
        return [
            Edge(caller, callee, edge.recent.calls, edge.failures, edge.vanished, edge.slow_ms)
            for (caller, callee), edge in self._memory.edges.items()
        ]
