"""What operator and worker must be allowed to do, and by which role of manifests/base they may.

A test derives these permissions from the code and holds the roles to them, in both directions.
"""

from dataclasses import dataclass

from prunella_workflows.model.labels import GROUP

VIEW = "prunella-view"
"""Reads what is needed to see; bound in the whole cluster, to operator and worker."""
INCIDENTS = "prunella-incidents"
"""Writes Prunella's own records and nothing of anybody else's; bound in the whole cluster, to operator and worker."""
REPAIR = "prunella-repair"
"""Writes what repairs need; bound to the worker, in each namespace that opted in."""
SNAPSHOTS = "prunella-snapshots"
"""Keeps the templates that may be gone back to; bound to the operator, in each namespace that opted in."""
BY_NAMESPACE = frozenset({REPAIR, SNAPSHOTS})
LEFT_TO_THE_OTHER = {"prunella-operator": REPAIR, "prunella-worker": SNAPSHOTS}
"""By ServiceAccount of manifests/base: the role that only the other one has."""

_SEE = ("get", "list", "watch")
_ROLES = {"keep incidents": INCIDENTS, "repair": REPAIR, "keep snapshots": SNAPSHOTS}


@dataclass(frozen=True)
class Rule:
    """One permission. `cluster` marks what has no namespace, `name` the only object that it is for."""

    area: str
    verbs: tuple[str, ...]
    resource: str
    group: str = ""
    cluster: bool = False
    name: str = ""

    @property
    def role(self) -> str:
        """The ClusterRole that gives it."""
        return _ROLES.get(self.area, VIEW)

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}" + (f" ({self.group})" if self.group else "")


RULES = (
    Rule("keep incidents", ("create", "patch", "delete"), "incidents", GROUP),
    Rule("keep incidents", ("patch",), "incidents/status", GROUP),
    Rule("keep incidents", ("create",), "events", "events.k8s.io"),
    Rule("read incidents and policies", _SEE, "incidents", GROUP),
    Rule("read incidents and policies", ("list",), "healingpolicies", GROUP),
    Rule("read incidents and policies", ("list",), "clusterhealingpolicies", GROUP, cluster=True),
    Rule("read incidents and policies", ("get", "list"), "namespaces", cluster=True),
    Rule("read incidents and policies", ("get",), "customresourcedefinitions", "apiextensions.k8s.io", cluster=True),
    Rule("see faults", _SEE, "pods"),
    Rule("see faults", _SEE, "deployments", "apps"),
    Rule("see faults", _SEE, "statefulsets", "apps"),
    Rule("see faults", _SEE, "daemonsets", "apps"),
    Rule("see faults", ("get", "list"), "replicasets", "apps"),
    Rule("see faults", ("get", "list"), "controllerrevisions", "apps"),
    Rule("see faults", _SEE, "jobs", "batch"),
    Rule("see faults", ("get",), "cronjobs", "batch"),
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
    Rule("repair", ("create",), "controllerrevisions", "apps"),
    Rule("keep snapshots", ("create", "patch", "delete"), "controllerrevisions", "apps"),
)

LEAD = Rule("lead", ("get", "create", "patch"), "leases", "coordination.k8s.io")
"""With leader election only, in the namespace of the Lease only, and for the Lease of that name only."""
