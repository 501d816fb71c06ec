"""Property of others: custom resources, other tools' fields, rollouts that are held back, pods that must serve."""

from collections.abc import Callable
from typing import Any

from support.api import Object
from support.cases import builders as shop
from support.cases.run import Case, CaseRun
from support.cases.traps import ours
from support.cluster import define

_KIND = "Shop"
_DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "shops.shop.example.org"},
    "spec": {
        "group": "shop.example.org",
        "scope": "Namespaced",
        "names": {"kind": _KIND, "plural": "shops", "singular": "shop"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}
_TWO, _THREE = shop.replicas(2), shop.replicas(3)
_GROWN = {"SHOP_MEMORY_MIB": "90"}
_RECREATED = shop.spec(strategy={"type": "Recreate"})
_ON_DELETE = shop.spec(updateStrategy={"type": "OnDelete"})
_PARALLEL = shop.spec(podManagementPolicy="Parallel")


def _custom(run: CaseRun, controller: bool) -> shop.Edit:
    """A custom resource, and the edit that makes it the owner."""
    define(run.api, _DEFINITION)
    run.cluster_scoped.append(
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_DEFINITION['metadata']['name']}"
    )
    resource = {"apiVersion": "shop.example.org/v1", "kind": _KIND, "metadata": {"name": "ours"}}
    (made,) = run.api.apply({**resource, "metadata": {"name": "ours", "namespace": run.namespace}})
    ref = {"apiVersion": made["apiVersion"], "kind": _KIND, "name": "ours", "uid": made["metadata"]["uid"]}
    return lambda obj: obj["metadata"].update(ownerReferences=[{**ref, "controller": controller}])


def _owned(controller: bool, *edits: shop.Edit) -> Callable[[CaseRun], None]:
    return lambda run: shop.applied(_custom(run, controller), *edits)(run)


def _beside_custom(run: CaseRun) -> None:
    """A custom resource that owns nothing."""
    _custom(run, controller=True)
    shop.applied()(run)


def _owned_and_grown(run: CaseRun) -> None:
    shop.restarted(_custom(run, controller=False), _TWO, **_GROWN)(run)


def _by(manager: str, *edits: shop.Edit) -> Callable[[CaseRun], None]:
    """Applied by a tool that uses server-side apply."""
    return lambda run: run.api.apply(*shop.app(run, *edits), manager=manager) and None


def _grown_by(manager: str) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        run.api.apply(*shop.app(run, **_GROWN), manager=manager)
        shop.drop_pod(run)

    return act


def _labelled_by_another(run: CaseRun) -> None:
    """Another tool applies a label of the workload, and nothing of the template."""
    shop.applied()(run)
    meta = {"name": shop.NAME, "namespace": run.namespace, "labels": {"shop.example.org/cost-centre": "b"}}
    run.api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}, manager="cost-reporter")


def _down_to(ordinal: int) -> shop.Edit:
    return shop.spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": ordinal}})


def _budget(minimum: int, *edits: shop.Edit) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        selector = {"matchLabels": {"app.kubernetes.io/name": shop.NAME}}
        meta = {"name": shop.NAME, "namespace": run.namespace}
        wish = {"selector": selector, "minAvailable": minimum}
        run.api.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": wish})
        shop.applied(*edits)(run)

    return act


def _first_one_grows(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """The pod with the lowest ordinal is replaced; it is the only one that reads the data."""

    def act(run: CaseRun) -> None:
        run.api.apply(*shop.app(run, *edits, **_GROWN))
        first = min(pod["metadata"]["name"] for pod in ours(run))
        run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{first}")

    return act


def _oom(name: str, *edits: shop.Edit, **more: Any) -> Case:
    before = more.pop("before", shop.applied(*edits))
    return shop.healed(name, before, more.pop("breaks", shop.restarted(*edits, **_GROWN)), "pod_oom_killed", **more)


def _held(name: str, reason: str, *edits: shop.Edit, **more: Any) -> Case:
    """An OOM kill that is people's, or another tool's."""
    before = more.pop("before", shop.applied(*edits))
    breaks = more.pop("breaks", shop.restarted(*edits, **_GROWN))
    return shop.escalated(name, before, breaks, reason, "pod_oom_killed", **more)


_STATEFUL = {"kind": "StatefulSet", "deletes": 1}

CASES = (
    shop.escalated("custom-owner", _owned(True), _owned(True, shop.bad()), "CustomResourceOwned", "bad_release"),
    _held(
        "custom-owner-oom",
        "CustomResourceOwned",
        before=_owned(False, _TWO),
        breaks=_owned_and_grown,
        kind="StatefulSet",
    ),
    shop.rolled_back("custom-resource-beside", _beside_custom, shop.applied(shop.bad())),
    shop.escalated("kapp", _by("kapp"), _by("kapp", shop.bad()), "OwnedElsewhere", "bad_release"),
    _held("terraform-oom", "OwnedElsewhere", before=_by("Terraform"), breaks=_grown_by("Terraform")),
    shop.rolled_back("labelled-by-another", _labelled_by_another, shop.applied(shop.bad())),
    _held("partition-holds", "Partition", _TWO, _down_to(2), kind="StatefulSet"),
    _held("on-delete-holds", "OnDelete", _TWO, _ON_DELETE, kind="StatefulSet"),
    _oom("partition-lets-through", _TWO, _down_to(1), **_STATEFUL),
    _oom("singleton-oom", _RECREATED),
    _held("recreate-interrupts", "Interruption", _THREE, _RECREATED),
    _oom("budget-used-up-but-surge", _TWO, before=_budget(2, _TWO)),
    _held(
        "budget-used-up",
        "DisruptionBudget",
        before=_budget(2, _THREE, _PARALLEL),
        breaks=_first_one_grows(_THREE, _PARALLEL),
        kind="StatefulSet",
    ),
    _oom(
        "budget-kept-in-order",
        before=_budget(2, _THREE),
        breaks=_first_one_grows(_THREE),
        **_STATEFUL,
    ),
)
