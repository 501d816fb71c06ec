"""The permissions of operator and worker, by role of manifests/base (a test compares them), and the doctor's checks."""

from collections.abc import Iterator
from dataclasses import dataclass

from prunella_operator.doctor.check import Check
from prunella_operator.kubernetes.api import Api, list_items
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.labels import GROUP, HEAL

VIEW = "prunella-view"
"""Reads; bound cluster-wide, to operator and worker."""
INCIDENTS = "prunella-incidents"
"""Writes Prunella's own records only; bound cluster-wide, to operator and worker."""
POLICIES = "prunella-policies"
"""Writes the status of policies; bound cluster-wide, to the operator."""
REPAIR = "prunella-repair"
"""Writes repairs; bound to the worker, in each namespace that opted in."""
SNAPSHOTS = "prunella-snapshots"
"""Writes snapshots of known-good templates; bound to the operator, in each namespace that opted in."""
NAMESPACED_ROLES = frozenset({REPAIR, SNAPSHOTS})
_ROLES_OF_THE_OTHER = {"prunella-operator": {REPAIR}, "prunella-worker": {SNAPSHOTS, POLICIES}}
"""By ServiceAccount of manifests/base: the roles that only the other one has."""

_READ = ("get", "list", "watch")
_ROLES = {
    "write incidents": INCIDENTS,
    "write the status of policies": POLICIES,
    "repair": REPAIR,
    "write snapshots": SNAPSHOTS,
}
_FIX = "apply manifests/base, or run as an account bound to its roles"
_NAMESPACED_FIX = "for each namespace to heal: prunella rbac NAMESPACE | kubectl apply -f -"


@dataclass(frozen=True)
class Rule:
    """One permission. `cluster`: the resource has no namespace; `name`: restricted to this object."""

    area: str
    verbs: tuple[str, ...]
    resource: str
    group: str = ""
    cluster: bool = False
    name: str = ""

    @property
    def role(self) -> str:
        """The ClusterRole that grants it."""
        return _ROLES.get(self.area, VIEW)

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}" + (f" ({self.group})" if self.group else "")


_WORKLOADS = ("deployments", "statefulsets", "daemonsets")
RULES = (
    Rule("write incidents", ("create", "patch", "delete"), "incidents", GROUP),
    Rule("write incidents", ("patch",), "incidents/status", GROUP),
    Rule("write incidents", ("create",), "events", "events.k8s.io"),
    Rule("write the status of policies", ("patch",), "healingpolicies/status", GROUP),
    Rule("write the status of policies", ("patch",), "clusterhealingpolicies/status", GROUP, cluster=True),
    Rule("read incidents and policies", _READ, "incidents", GROUP),
    Rule("read incidents and policies", ("list", "watch"), "healingpolicies", GROUP),
    Rule("read incidents and policies", ("list", "watch"), "clusterhealingpolicies", GROUP, cluster=True),
    Rule("read incidents and policies", _READ, "namespaces", cluster=True),
    Rule("read incidents and policies", ("get",), "customresourcedefinitions", "apiextensions.k8s.io", cluster=True),
    Rule("watch workloads", _READ, "pods"),
    *(Rule("watch workloads", _READ, plural, "apps") for plural in _WORKLOADS),
    *(Rule("watch workloads", ("get", "list"), plural, "apps") for plural in ("replicasets", "controllerrevisions")),
    Rule("watch workloads", _READ, "jobs", "batch"),
    Rule("watch workloads", ("get",), "cronjobs", "batch"),
    Rule("collect evidence", ("get",), "pods/log"),
    *(Rule("collect evidence", ("list",), plural) for plural in ("events", "resourcequotas", "limitranges")),
    Rule("collect evidence", ("get", "list"), "horizontalpodautoscalers", "autoscaling"),
    Rule("collect evidence", ("list",), "poddisruptionbudgets", "policy"),
    Rule("collect evidence", ("list",), "services"),
    Rule("collect evidence", ("get",), "persistentvolumeclaims"),
    Rule("collect evidence", ("get", "list"), "nodes", cluster=True),
    Rule("collect evidence", ("list",), "pods", "metrics.k8s.io"),
    *(Rule("repair", ("patch",), plural, "apps") for plural in _WORKLOADS),
    Rule("repair", ("patch",), "horizontalpodautoscalers", "autoscaling"),
    Rule("repair", ("patch",), "pods/resize"),
    Rule("repair", ("delete",), "pods"),
    Rule("repair", ("create",), "pods/eviction"),
    Rule("repair", ("create",), "controllerrevisions", "apps"),
    Rule("write snapshots", ("create", "patch", "delete"), "controllerrevisions", "apps"),
)

LEAD = Rule("lead", ("get", "create", "patch"), "leases", "coordination.k8s.io")
"""Only with leader election, in the namespace of the Lease, and for the Lease of that name."""

RECORDS = Rule("keep track records", ("get", "list", "create", "patch"), "configmaps")
"""In the namespace of the track records only."""


def check_permissions(api: Api, namespaces: tuple[str, ...], rules: tuple[Rule, ...] = RULES) -> Iterator[Check]:
    """Check the caller's permissions. One result per area keeps the output readable."""
    for area in dict.fromkeys(rule.area for rule in rules):
        title = f"Permissions to {area}"
        try:
            check = _check_area(api, title, [rule for rule in rules if rule.area == area], namespaces)
        except PrunellaError as error:
            check = Check(title, passed=False, message=str(error), fix="see the API server's message")
        if check:
            yield check


def _check_area(api: Api, title: str, rules: list[Rule], namespaces: tuple[str, ...]) -> Check | None:
    """One area; None when it belongs to the other account."""
    account, role = _account(api), rules[0].role
    if role in _ROLES_OF_THE_OTHER.get(account, ()):
        return None
    namespaced = role in NAMESPACED_ROLES
    missing = [str(rule) for rule in rules if not _is_allowed(api, rule, namespaces)]
    if missing and namespaced and account in _ROLES_OF_THE_OTHER and not (namespaces or _opted_in_namespaces(api)):
        return Check(title, passed=True, message="not needed yet: no namespace has opted in")
    message = f"missing: {'; '.join(missing)}" if missing else f"{len(rules)} granted"
    return Check(title, not missing, message, _NAMESPACED_FIX if namespaced else _FIX)


def _account(api: Api) -> str:
    """The name of the caller's ServiceAccount or user."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    response = api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    return str(response["status"]["userInfo"]["username"]).rpartition(":")[2]


def _is_allowed(api: Api, rule: Rule, namespaces: tuple[str, ...]) -> bool:
    """True if the caller has the permission everywhere or, if that suffices, in all namespaces that opted in."""
    scopes = ("",) if rule.cluster or not namespaces else namespaces
    if all(_review(api, rule, verb, namespace) for namespace in scopes for verb in rule.verbs):
        return True
    if namespaces or rule.role not in NAMESPACED_ROLES:
        return False
    names = _opted_in_namespaces(api)
    return bool(names) and all(_review(api, rule, verb, name) for name in names for verb in rule.verbs)


def _opted_in_namespaces(api: Api) -> list[str]:
    items = list_items(api, "/api/v1/namespaces", labelSelector=f"{HEAL} in (enabled,by-policy)")
    return [namespace["metadata"]["name"] for namespace in items]


def _review(api: Api, rule: Rule, verb: str, namespace: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {"verb": verb, "group": rule.group, "resource": resource, "namespace": namespace, "name": rule.name}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "subresource": subresource}},
    }
    response = api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(response["status"]["allowed"])
