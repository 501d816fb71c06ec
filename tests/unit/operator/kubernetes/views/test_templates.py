"""Pod templates: their hashes, and the numbers of revisions."""

import copy

import pytest
from fakes.objects import a_template

from prunella_operator.kubernetes.views.templates import references, revision_number, template_hash

RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T09:00:00Z"}


def changed(change):
    template = a_template()
    change(template["spec"]["containers"][0], template)
    return template


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(a_template(annotations=RESTARTED), id="a restart"),
        pytest.param(a_template(labels={"pod-template-hash": "abc"}), id="a ReplicaSet's own label"),
        pytest.param(a_template(memory="65536Ki"), id="the same memory in another unit"),
        pytest.param(a_template(memory="67108864"), id="the same memory in bytes"),
        pytest.param({**a_template(), "spec": dict(reversed(a_template()["spec"].items()))}, id="another key order"),
    ],
)
def test_the_same_release_has_the_same_hash(same):
    assert template_hash(same) == template_hash(a_template())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_template(2), id="image"),
        pytest.param(a_template(memory="65Mi"), id="memory"),
        pytest.param(a_template(labels={"tier": "front"}), id="a label"),
        pytest.param(a_template(annotations={"checksum/config": "1"}), id="an annotation"),
        pytest.param(a_template(env=[{"name": "A", "value": "1"}]), id="an environment variable"),
        pytest.param(changed(lambda c, _: c["resources"].pop("requests")), id="a request that is gone"),
        pytest.param(changed(lambda c, _: c["resources"]["limits"].update(cpu="1")), id="another limit"),
        pytest.param(a_template(hostNetwork=True), id="the pod's spec"),
    ],
)
def test_another_release_has_another_hash(other):
    assert template_hash(other) != template_hash(a_template())


def test_hashing_changes_nothing():
    template = a_template(memory="65536Ki", annotations=RESTARTED)
    before = copy.deepcopy(template)
    template_hash(template)
    assert template == before


@pytest.mark.parametrize("broken", ["lots", "", None, 5])
def test_a_quantity_that_is_none_is_hashed_as_it_stands(broken):
    assert template_hash(a_template(memory=broken)) == template_hash(a_template(memory=broken))


@pytest.mark.parametrize(("noted", "number"), [("7", 7), ("", 0), ("-1", 0), ("seven", 0), ("9" * 5000, 0)])
def test_the_number_of_a_revision_is_what_its_controller_noted_or_none(noted, number):
    annotations = {"deployment.kubernetes.io/revision": noted}
    assert revision_number({"metadata": {"annotations": annotations}}) == number


def test_the_objects_whose_contents_the_containers_get():
    template = a_template(
        env=[
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "token", "key": "b"}}},
            {"name": "C", "value": "1"},
        ],
        volumes=[
            {"name": "v", "secret": {"secretName": "certs"}},
            {"name": "w", "configMap": {"name": "web"}},
            {"name": "x", "projected": {"sources": [{"secret": {"name": "ca"}}]}},
            {"name": "y", "emptyDir": {}},
        ],
    )
    template["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "more"}}]
    assert set(references(template)) == {"ConfigMap/web", "ConfigMap/more", "Secret/token", "Secret/certs", "Secret/ca"}
