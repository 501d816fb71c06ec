"""The revisions of a Deployment, and which of them were good."""

from datetime import timedelta

import pytest
from fakes.objects import LONG_AGO, WEB, a_deployment, a_pod, a_replica_set, a_snapshot, a_template, at

from prunella_operator.kubernetes.views import revisions as history
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.model import labels

GOOD_AT = at("2026-11-24T08:30:00+00:00")
SOAK = timedelta(seconds=30)
STABLE_BEFORE = at("2026-11-24T09:00:00+00:00")
LATER = "2026-11-24T09:00:01Z"
TOO_LATE = "2026-11-24T09:00:21Z"


def revisions(deployment=None, replica_sets=(), snapshots=(), pods=()):
    raw = deployment or a_deployment(a_template(2))
    view = workload_view(raw, replica_sets)
    seen = tuple(pod_view(pod) for pod in pods)
    read_at = STABLE_BEFORE + SOAK
    return history.revision_views(raw, view, replica_sets, snapshots, pods=seen, read_at=read_at, soak=SOAK)


def test_newest_first_with_number_images_and_memory():
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)])
    assert [(revision.number, revision.images, revision.current, revision.good_at) for revision in found] == [
        (2, ("registry.example/web:2",), True, None),
        (1, ("registry.example/web:1",), False, None),
    ]
    assert found[0].memory_limits == {"app": 64 << 20}
    assert found[1].ref.source == "ReplicaSet"
    assert found[1].created_at == at(LONG_AGO)


def test_numbers_are_numbers():
    found = revisions(replica_sets=[a_replica_set(9, a_template(1)), a_replica_set(10, a_template(2))])
    assert [revision.number for revision in found] == [10, 9]


def test_a_template_that_came_back_counts_once_as_its_newest_revision():
    found = revisions(replica_sets=[a_replica_set(1, a_template(1)), a_replica_set(3, a_template(1)), a_replica_set(2)])
    assert [revision.number for revision in found] == [3, 2]


def test_a_restart_is_no_revision_of_its_own():
    restarted = a_template(1, annotations={"kubectl.kubernetes.io/restartedAt": LATER})
    found = revisions(a_deployment(restarted), [a_replica_set(1), a_replica_set(2, restarted)])
    assert [(revision.number, revision.current) for revision in found] == [(2, True)]


def test_a_snapshot_tells_that_a_revision_was_good():
    found = revisions(
        replica_sets=[a_replica_set(1), a_replica_set(2)], snapshots=[a_snapshot(a_template(1), good_at=GOOD_AT)]
    )
    assert [(revision.number, revision.good_at, revision.ref.source) for revision in found] == [
        (2, None, "ReplicaSet"),
        (1, GOOD_AT, "ReplicaSet"),
    ]


def test_a_snapshot_tells_since_when_a_revision_is_good():
    kept = a_snapshot(a_template(1), good_at=GOOD_AT)
    kept["metadata"]["creationTimestamp"] = LONG_AGO
    before = a_snapshot(a_template(3))
    before["metadata"]["creationTimestamp"] = LONG_AGO
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], snapshots=[kept, before])
    assert [revision.good_since for revision in found] == [None, at(LONG_AGO), None]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param({"annotations": {"checksum/config": "b"}}, True, id="a chart's checksum"),
        pytest.param({"annotations": {"reloader.stakater.com/last-reloaded-from": "x"}}, True, id="Reloader's mark"),
        pytest.param({"env": [{"name": "STAKATER_WEB_CONFIGMAP", "value": "x"}]}, True, id="Reloader's variable"),
        pytest.param({"annotations": {"sidecar.istio.io/inject": "true"}}, False, id="a mark that changes pods"),
        pytest.param({"env": [{"name": "MODE", "value": "x"}]}, False, id="a variable"),
        pytest.param({"labels": {"version": "2"}}, False, id="a label"),
    ],
)
def test_marks_of_configuration_are_no_content(other, same):
    old = a_template(1, annotations={"checksum/config": "a"})
    first, second = revisions(replica_sets=[a_replica_set(1, old), a_replica_set(2, a_template(1, **other))])
    assert (first.content == second.content) is same
    assert first.ref.template_hash != second.ref.template_hash


def test_a_snapshot_from_before_a_repair_proves_nothing():
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], snapshots=[a_snapshot(a_template(1))])
    assert [revision.good_at for revision in found] == [None, None]


def test_a_snapshot_stands_in_for_a_history_that_was_deleted():
    snapshot = a_snapshot(a_template(1), good_at=GOOD_AT)
    found = revisions(replica_sets=[a_replica_set(2)], snapshots=[snapshot])
    assert [(revision.ref.source, revision.number) for revision in found] == [("ReplicaSet", 2), ("Snapshot", 0)]
    assert found[1].good_at == GOOD_AT
    assert found[1].ref.name == snapshot["metadata"]["name"]
    assert found[1].ref.template_hash == template_hash(a_template(1))


def test_no_history_at_all():
    assert revisions() == ()


def test_pods_of_an_older_revision_that_serve_prove_it_good():
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], pods=[a_pod(revision=1)])
    assert [revision.good_at for revision in found] == [None, STABLE_BEFORE]


def test_pods_of_the_current_revision_prove_nothing_yet():
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], pods=[a_pod(revision=2)])
    assert [revision.good_at for revision in found] == [None, None]


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([a_pod(ready_since=TOO_LATE)], id="ready too lately"),
        pytest.param([a_pod(ready_since=None)], id="not ready"),
        pytest.param([a_pod(), a_pod("web-b", ready_since=None)], id="one of two not ready"),
        pytest.param([a_pod(deletionTimestamp=LONG_AGO)], id="on its way out"),
        pytest.param([a_pod(status={"state": {"waiting": {"reason": "CrashLoopBackOff"}}})], id="in back-off"),
    ],
)
def test_pods_that_do_not_prove_it(pods):
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], pods=pods)
    assert [revision.good_at for revision in found] == [None, None]


def test_most_of_the_pods_of_an_older_revision_prove_it_good():
    pods = [a_pod("web-a"), a_pod("web-b"), a_pod("web-c", ready_since=None)]
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], pods=pods)
    assert [revision.good_at for revision in found] == [None, STABLE_BEFORE]


def test_pods_that_were_ready_briefly_are_a_hint():
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], pods=[a_pod(ready_since=LATER)])
    assert [(revision.good_at, revision.ready_for) for revision in found] == [(None, None), (None, 29)]


@pytest.mark.parametrize(("written", "seconds"), [("10", 10), ("-1", None), ("nan", None), ("long", None)])
def test_a_snapshot_of_what_was_ready_briefly_is_a_hint(written, seconds):
    snapshot = a_snapshot(a_template(1))
    snapshot["metadata"]["annotations"][labels.READY_FOR] = written
    found = revisions(replica_sets=[a_replica_set(1), a_replica_set(2)], snapshots=[snapshot])
    assert [(revision.good_at, revision.ready_for) for revision in found] == [(None, None), (None, seconds)]


@pytest.mark.parametrize(
    ("image", "compatible"),
    [
        ("registry.example/web:0.9", True),
        ("registry.example/web@sha256:abc", True),
        ("registry.example:5000/web:1", False),
        ("registry.example/shop:1", False),
    ],
)
def test_a_snapshot_of_a_deleted_namesake_must_be_of_the_same_program(image, compatible):
    template = a_template(1)
    template["spec"]["containers"][0]["image"] = image
    snapshot = a_snapshot(template, good_at=GOOD_AT)
    snapshot["metadata"]["annotations"][labels.WORKLOAD_UID] = "uid-before"
    _, found = revisions(replica_sets=[a_replica_set(2)], snapshots=[snapshot])
    assert (found.inherited, found.compatible) == (True, compatible)


def test_a_template_that_the_selector_does_not_match_cannot_be_gone_back_to():
    other = a_template(1)
    other["metadata"]["labels"] = {"app": "web-old"}
    found = revisions(replica_sets=[a_replica_set(2)], snapshots=[a_snapshot(other, good_at=GOOD_AT)])
    assert [revision.compatible for revision in found] == [True, False]


def test_an_expression_of_the_selector_counts_too():
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}
    raw = a_deployment(a_template(2, labels={"tier": "front"}), selector=selector)
    found = revisions(raw, [a_replica_set(1), a_replica_set(2, a_template(2, labels={"tier": "front"}))])
    assert [revision.compatible for revision in found] == [True, False]


def test_a_snapshots_name_is_its_content():
    snapshot, same, other = (
        history.snapshot(a_deployment(t), WEB, "w") for t in (a_template(1), a_template(1), a_template(2))
    )
    assert snapshot["metadata"]["name"] == same["metadata"]["name"] != other["metadata"]["name"]
    assert snapshot["metadata"]["labels"][labels.WORKLOAD] in history.snapshot_selector(WEB)
    assert "ownerReferences" not in snapshot["metadata"], "it must outlive the Deployment"


@pytest.mark.parametrize("name", ["a" * 199 + "." + "b" * 40, "a" * 198 + ".-" + "b" * 40, "web"])
def test_a_snapshots_name_is_one_that_the_api_server_takes(name):
    made = history.snapshot(a_deployment(), WEB.model_copy(update={"name": name}), "w")["metadata"]["name"]
    assert len(made) <= 253
    assert ".-" not in made[190:]


def test_a_snapshot_is_good_since_it_was_seen_good():
    made = history.snapshot(a_deployment(), WEB, history.KNOWN_GOOD, GOOD_AT)
    own = {labels.WORKLOAD_UID: WEB.uid}
    assert made["metadata"]["annotations"] == {**own, labels.GOOD_AT: GOOD_AT.isoformat()}
    assert history.snapshot(a_deployment(), WEB, history.BEFORE)["metadata"]["annotations"] == own
