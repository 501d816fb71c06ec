"""What operator and worker must be allowed to do."""

from dataclasses import dataclass

_READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Rule:
    """One permission. `cluster` marks what has no namespace."""

    area: str
    verbs: tuple[str, ...]
    resource: str
    group: str = ""
    cluster: bool = False

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}" + (f" ({self.group})" if self.group else "")


RULES = (
    Rule("keep incidents", (*_READ, "create", "patch", "delete"), "incidents", "prunella.dev"),
    Rule("keep incidents", ("get", "patch"), "incidents/status", "prunella.dev"),
    Rule("keep incidents", ("create",), "events", "events.k8s.io"),
    Rule("read policies", _READ, "healingpolicies", "prunella.dev"),
    Rule("read policies", _READ, "clusterhealingpolicies", "prunella.dev", cluster=True),
    Rule("read policies", _READ, "namespaces", cluster=True),
    Rule("read policies", _READ, "customresourcedefinitions", "apiextensions.k8s.io", cluster=True),
    Rule("see faults", _READ, "pods"),
    Rule("see faults", _READ, "deployments", "apps"),
    Rule("see faults", _READ, "replicasets", "apps"),
    Rule("see faults", _READ, "statefulsets", "apps"),
    Rule("see faults", _READ, "daemonsets", "apps"),
    Rule("see faults", _READ, "jobs", "batch"),
    Rule("see faults", ("get", "list"), "cronjobs", "batch"),
    Rule("gather evidence", ("get",), "pods/log"),
    Rule("gather evidence", ("list",), "events"),
    Rule("gather evidence", ("list",), "resourcequotas"),
    Rule("gather evidence", ("list",), "limitranges"),
    Rule("gather evidence", ("get", "list"), "horizontalpodautoscalers", "autoscaling"),
    Rule("gather evidence", ("list",), "poddisruptionbudgets", "policy"),
    Rule("gather evidence", ("list",), "services"),
    Rule("gather evidence", ("get", "list"), "nodes", cluster=True),
    Rule("gather evidence", ("list",), "pods", "metrics.k8s.io"),
    Rule("repair", ("patch",), "deployments", "apps"),
    Rule("repair", ("patch",), "statefulsets", "apps"),
    Rule("repair", ("patch",), "daemonsets", "apps"),
    Rule("repair", ("patch",), "horizontalpodautoscalers", "autoscaling"),
    Rule("repair", ("patch",), "pods/resize"),
    Rule("repair", ("delete",), "pods"),
    Rule("keep snapshots", (*_READ, "create", "patch", "delete"), "controllerrevisions", "apps"),
)

LEAD = Rule("lead", ("get", "create", "patch"), "leases", "coordination.k8s.io")
"""With leader election only, and in the namespace of the Lease only."""
