"""Autoscalers of a workload, its update strategy, and the managers of its fields, as the API server reports them."""

import pytest
from fakes.kube import FakeKube
from fakes.objects import WEB, a_cluster, a_deployment, a_template, owned_by

from prunella_operator.activities.evidence.autoscalers import read_scaling
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.ownership import field_owners
from prunella_operator.kubernetes.views.scaling import autoscaler_view, budget_view
from prunella_operator.kubernetes.views.templates import container_views
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.model import labels
from prunella_workflows.model.scaling import Strategy


def strategy(replicas=4, kind="Deployment", **spec):
    raw = {**a_deployment(replicas=replicas, **spec), "kind": kind}
    raw["status"] |= {"desiredNumberScheduled": replicas}
    return workload_view(raw).strategy


def rolling(**values):
    return {"type": "RollingUpdate", "rollingUpdate": values}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(strategy(), (1, 1), id="a quarter of four"),
        pytest.param(strategy(3), (0, 1), id="a quarter of three: missing rounds down, surge up"),
        pytest.param(strategy(1), (0, 1), id="a quarter of one"),
        pytest.param(strategy(strategy=rolling(maxUnavailable=2, maxSurge=0)), (2, 0), id="absolute numbers"),
        pytest.param(strategy(10, strategy=rolling(maxUnavailable="50%", maxSurge="11%")), (5, 2), id="shares"),
        pytest.param(
            strategy(strategy=rolling(maxUnavailable=0, maxSurge=0)),
            (1, 0),
            id="both zero: the controller takes one away",
        ),
        pytest.param(strategy(2, strategy=rolling(maxUnavailable="10%", maxSurge=0)), (1, 0), id="both round to zero"),
        pytest.param(strategy(strategy={"type": "Recreate"}), (4, 0), id="all at once"),
        pytest.param(strategy(kind="StatefulSet"), (1, 0), id="a StatefulSet goes one by one"),
        pytest.param(
            strategy(kind="StatefulSet", updateStrategy=rolling(maxUnavailable=2)), (2, 0), id="or two by two"
        ),
        pytest.param(strategy(kind="StatefulSet", updateStrategy={"type": "OnDelete"}), (0, 0), id="or not at all"),
        pytest.param(strategy(kind="DaemonSet"), (1, 0), id="a DaemonSet goes node by node"),
        pytest.param(
            strategy(10, kind="DaemonSet", updateStrategy=rolling(maxUnavailable="25%")), (3, 0), id="rounded up"
        ),
        pytest.param(
            strategy(kind="DaemonSet", updateStrategy=rolling(maxSurge=1, maxUnavailable=0)), (0, 1), id="with surge"
        ),
    ],
)
def test_how_pods_are_replaced(found, expected):
    assert (found.max_unavailable, found.max_surge) == expected


def test_the_pods_that_a_partition_holds():
    spec = {"updateStrategy": rolling(partition=1), "ordinals": {"start": 2}, "podManagementPolicy": "Parallel"}
    found = strategy(3, kind="StatefulSet", **spec)
    assert (found.partition, found.first_ordinal, found.parallel) == (1, 2, True)
    assert strategy(3, kind="StatefulSet", updateStrategy=rolling(partition=99)).partition == 3
    plain = strategy(3, kind="StatefulSet")
    assert (plain.partition, plain.parallel) == (0, False)


def test_the_kind_of_strategy():
    assert strategy().kind == Strategy().kind == "RollingUpdate"
    assert strategy(strategy={"type": "Recreate"}).kind == "Recreate"


def test_cpu_in_cores():
    template = a_template()
    template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m"}, "limits": {"cpu": "1"}}
    (container,) = container_views(template)
    assert (container.cpu_request, container.cpu_limit) == (0.25, 1.0)
    (none,) = container_views(a_template())
    assert (none.cpu_request, none.cpu_limit) == (None, None)


# Who manages which field


def managed(manager, *fields, **entry):
    return {"manager": manager, "fieldsV1": {"f:spec": {f"f:{field}": {} for field in fields}}, **entry}


def test_managers_by_field():
    raw = a_deployment()
    raw["metadata"]["managedFields"] = [
        managed("argocd-controller", "template", "selector", operation="Apply"),
        managed("kubectl-edit", "template", "replicas"),
        managed("kube-controller-manager", "replicas", subresource="scale"),
        managed("kube-controller-manager", "template", subresource="status"),
        {"manager": "labels-only", "fieldsV1": {"f:metadata": {}}},
        {"manager": "odd"},
    ]
    assert workload_view(raw).owners == {
        "replicas": ("kube-controller-manager", "kubectl-edit"),
        "template": ("argocd-controller", "kubectl-edit"),
    }
    assert workload_view(raw).appliers == {"replicas": (), "template": ("argocd-controller",)}


def test_fields_that_nobody_manages_are_told_from_objects_that_do_not_tell():
    assert field_owners({"managedFields": [managed("a", "selector")]}, replicas="replicas") == {"replicas": ()}
    assert field_owners({}, replicas="replicas") == {}


# Autoscalers and budgets


def an_autoscaler(kube, name="web", *, kind="Deployment", target="web", group="apps/v1", **meta):
    spec = {"scaleTargetRef": {"apiVersion": group, "kind": kind, "name": target}, "maxReplicas": 5}
    status = {"currentReplicas": 4, "desiredReplicas": 5}
    return kube.put(
        paths.autoscalers("shop", name), {"metadata": {"namespace": "shop", **meta}, "spec": spec}, **status
    )


def a_budget(kube, name, selector, **status):
    body = {"metadata": {"generation": 1}, "spec": {} if selector is None else {"selector": selector}}
    kube.put(f"{paths.budgets('shop')}/{name}", body, **{"observedGeneration": 1, "desiredHealthy": 2, **status})


@pytest.fixture
def kube():
    return a_cluster(FakeKube())


def scaling(kube, **options):
    return read_scaling(kube, kube.get(paths.workload(WEB)), **options)


def test_only_autoscalers_of_this_workload(kube):
    an_autoscaler(kube)
    an_autoscaler(kube, "other", target="api")
    an_autoscaler(kube, "set", kind="StatefulSet")
    an_autoscaler(kube, "rollout", group="argoproj.io/v1alpha1")
    (autoscaler,) = scaling(kube).autoscalers
    assert (autoscaler.name, autoscaler.max_replicas, autoscaler.desired_replicas) == ("web", 5, 5)
    assert autoscaler.at_maximum
    assert autoscaler.active


@pytest.mark.parametrize(
    ("condition", "active"),
    [
        ({"type": "ScalingActive", "status": "False"}, False),
        ({"type": "AbleToScale", "status": "False"}, False),
        ({"type": "ScalingLimited", "status": "False"}, True),
        ({"type": "ScalingActive", "status": "True"}, True),
    ],
)
def test_whether_it_can_act(kube, condition, active):
    raw = an_autoscaler(kube)
    raw["status"]["conditions"] = [condition]
    assert autoscaler_view(raw).active is active


@pytest.mark.parametrize(
    ("meta", "operator"),
    [
        ({}, ""),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, ""),
        (
            {"ownerReferences": [owned_by("keda.sh/v1alpha1", "ScaledObject", "web-scaler", "u")]},
            "ScaledObject/web-scaler",
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "keda-operator", "scaledobject.keda.sh/name": "web"}},
            "ScaledObject/web",
        ),
        ({"ownerReferences": [owned_by("example.org/v1", "Shop", "main", "u")]}, "Shop/main"),
    ],
)
def test_what_made_it(kube, meta, operator):
    assert autoscaler_view(an_autoscaler(kube, **meta)).operator == operator


def test_its_marks_and_managers(kube):
    entry = managed("helm", "maxReplicas", "metrics", operation="Apply")
    raw = an_autoscaler(
        kube,
        annotations={"meta.helm.sh/release-name": "shop", "password": "x", labels.LAST_ACTION: "a-1"},
        managedFields=[entry],
    )
    view = autoscaler_view(raw)
    assert view.owners == view.appliers == {"maxReplicas": ("helm",)}
    assert view.last_action == "a-1"
    assert sorted(view.annotations) == ["meta.helm.sh/release-name", labels.LAST_ACTION]


def test_only_budgets_of_its_pods(kube):
    a_budget(kube, "mine", {"matchLabels": {"app": "web"}}, currentHealthy=3)
    a_budget(kube, "theirs", {"matchLabels": {"app": "api"}})
    a_budget(kube, "all", {})
    a_budget(kube, "no-pods", None)
    assert [(budget.name, budget.desired_healthy) for budget in scaling(kube).budgets] == [("mine", 2), ("all", 2)]


def test_a_budget_whose_latest_spec_was_not_seen_yet_wants_nobody_knows_what():
    raw = {"metadata": {"name": "web", "generation": 2}, "status": {"observedGeneration": 1, "desiredHealthy": 1}}
    assert budget_view(raw).desired_healthy is None
    assert budget_view({"metadata": {"name": "web", "generation": 1}}).desired_healthy is None


def test_quotas_are_read_when_they_matter(kube):
    quota = {"pods": "10", "requests.cpu": "2", "memory": "1Gi"}
    used = {"pods": "7", "requests.cpu": "1500m"}
    kube.put("/api/v1/namespaces/shop/resourcequotas/a", {"spec": {}}, hard=quota, used=used)
    kube.put("/api/v1/namespaces/shop/resourcequotas/b", {"spec": {}}, hard={"pods": "8"}, used={"pods": "7"})
    assert scaling(kube).quota_free == {}
    assert scaling(kube, bounds=True).quota_free == {"pods": 1, "requests.cpu": 0.5, "memory": 1 << 30}


@pytest.mark.parametrize(
    ("modes", "exclusive"),
    [
        (["ReadWriteOnce"], ("data",)),
        (["ReadWriteOncePod"], ("data",)),
        (["ReadWriteOnce", "ReadWriteMany"], ()),
        (["ReadOnlyMany"], ()),
        (None, ("data",)),
    ],
)
def test_claims_that_pods_cannot_share(kube, modes, exclusive):
    volumes = [
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    ]
    kube.put(paths.workload(WEB), a_deployment(a_template(volumes=volumes)))
    if modes:
        kube.put(paths.core("shop", "persistentvolumeclaims", "data"), {"spec": {"accessModes": modes}})
    assert scaling(kube).exclusive_claims == ()
    assert scaling(kube, bounds=True).exclusive_claims == exclusive


def test_an_autoscaler_of_a_fixed_size(kube):
    raw = an_autoscaler(kube)
    assert autoscaler_view(raw).obstacle == ""
    raw["spec"]["minReplicas"] = 5
    assert autoscaler_view(raw).obstacle == "has a fixed size: its minimum and its maximum are 5"
