"""Protobuf and JSON say the same, and no bytes harm the reader."""

import json
from itertools import pairwise
from typing import get_type_hints

import pytest
from fakes.pods import ended, pod, realistic, running, waiting
from fakes.protobuf import enveloped, packed
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from prunella_operator.detection.jobs import JOBS
from prunella_operator.detection.pod_status import Pod
from prunella_operator.detection.pods import PODS
from prunella_operator.detection.rollouts import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS
from prunella_operator.kubernetes.decoding import ObjectHead, Status, Undecodable
from prunella_operator.kubernetes.watch.formats import MAX_FRAME_BYTES, Json
from prunella_operator.kubernetes.watch.protobuf import FrameSplitter, Protobuf, _struct_type
from prunella_operator.kubernetes.watch.protobuf_schema import MESSAGES
from prunella_operator.policies.objects import NAMESPACES
from prunella_workflows.model.labels import IGNORE

TIME = "2026-11-24T09:59:00Z"
TROUBLED = pod(
    containers=[running(state=waiting("CrashLoopBackOff", "back-off"), lastState=ended(), restartCount=3)],
    init=[running(name="init", state=ended("Completed", 0))],
    labels={"app": "web", IGNORE: "true"},
    annotations={"story": "ünïcode"},
    deletionTimestamp=TIME,
    generation=7,
)


LABELS = {"app": "web", "app.kubernetes.io/part-of": "shop", IGNORE: "true"}


def workload(kind, **parts):
    meta = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "9", "generation": 3, "labels": LABELS}
    return {"kind": kind, "metadata": meta, **parts}


def condition(kind):
    return {"type": kind, "status": "False", "reason": "Late", "message": "very", "lastTransitionTime": TIME}


COUNTS = {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 2, "availableReplicas": 1}
NODES = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")


@pytest.mark.parametrize(
    ("resource", "obj"),
    [
        pytest.param(PODS, TROUBLED, id="a troubled pod"),
        pytest.param(PODS, realistic(7, restarts=2), id="a realistic pod"),
        pytest.param(
            DEPLOYMENTS,
            workload(
                "Deployment", spec={"replicas": 0, "paused": True}, status={**COUNTS, "conditions": [condition("x")]}
            ),
            id="a Deployment",
        ),
        pytest.param(
            STATEFUL_SETS,
            workload(
                "StatefulSet",
                spec={"replicas": 4, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
                status={**COUNTS, "conditions": [condition("y")]},
            ),
            id="a StatefulSet",
        ),
        pytest.param(STATEFUL_SETS, workload("StatefulSet", spec={}, status={}), id="one replica where none is named"),
        pytest.param(
            DAEMON_SETS,
            workload(
                "DaemonSet",
                spec={"updateStrategy": {"type": "OnDelete"}},
                status={"observedGeneration": 3, **{name: n for n, name in enumerate(NODES, 4)}},
            ),
            id="a DaemonSet",
        ),
        pytest.param(JOBS, workload("Job", status={"conditions": [condition("Failed")]}), id="a Job"),
        pytest.param(NAMESPACES, workload("Namespace"), id="a Namespace, with all its labels"),
    ],
)
def test_both_formats_say_the_same(resource, obj):
    said = Json().read(json.dumps(obj).encode(), resource.into, resource.kind)
    data = packed(resource.kind, obj)
    again = Protobuf().read(data, resource.into, resource.kind)

    assert again == without_empty(said)
    assert Protobuf().read(enveloped(resource.kind, obj), resource.into, resource.kind) == again
    assert Protobuf().read(data, ObjectHead, "Object").metadata.uid == obj["metadata"]["uid"]


@pytest.mark.parametrize("resource", [DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, NAMESPACES])
def test_selectors_need_all_labels_of_workloads_and_namespaces(resource):
    found = Protobuf().read(packed(resource.kind, workload(resource.kind)), resource.into, resource.kind)
    assert (found.metadata.labels, found.metadata.ignored) == (LABELS, True)


def unnumbered(into, kind):
    """The fields that are read of a kind and have no number: in protobuf they are never there."""
    for field in structs.fields(into):
        _, of = MESSAGES[kind].get(field.encode_name, (0, ""))
        if not of:
            yield f"{kind}.{field.encode_name}"
        elif of.strip("[]") in MESSAGES and of != "Time":
            yield from unnumbered(_struct_type(get_type_hints(into)[field.name]), of.strip("[]"))


def test_every_field_that_is_read_has_its_number():
    every = (PODS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, JOBS)
    without = ["DeploymentSpec.updateStrategy", "StatefulSetSpec.paused"]
    assert [name for item in every for name in unnumbered(item.into, item.kind)] == without
    assert not list(unnumbered(Status, "Status"))


def without_empty(said):
    """JSON distinguishes an empty list from none; protobuf does not, and no caller needs it."""
    if isinstance(said, Pod) and said.status.init_container_statuses == ():
        return structs.replace(said, status=structs.replace(said.status, init_container_statuses=None))
    return said


def test_text_that_is_no_unicode_hides_no_pod():
    data = packed("Pod", pod(containers=[running(state=waiting("Error", "broken: ???"))]))
    found = Protobuf().read(data.replace(b"???", b"\xff\xfe\xfd"), Pod, "Pod")

    assert found.status.all_containers[0].waiting.message == "broken: \ufffd\ufffd\ufffd"


@pytest.mark.parametrize("missing", ["name", "uid", "resourceVersion"])
def test_who_it_is_must_be_there(missing):
    obj = pod()
    del obj["metadata"][missing]
    with pytest.raises(Undecodable, match=missing):
        Protobuf().read(packed("Pod", obj), Pod, "Pod")


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(packed("Pod", TROUBLED)) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_pod_is_read_or_refused(at, byte, cut):
    data = packed("Pod", TROUBLED)
    try:
        Protobuf().read(data[:at] + bytes([byte]) + (b"" if cut else data[at + 1 :]), Pod, "Pod")
    except Undecodable:
        return


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    wire_format = Protobuf()
    for read in (
        wire_format.event,
        wire_format.page,
        wire_format.status,
        lambda raw: wire_format.read(Raw(raw), Pod, "Pod"),
    ):
        try:
            read(data)
        except Undecodable:
            continue


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.binary(max_size=20), max_size=8), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_frames_come_out_whole_however_they_are_cut(data, cuts):
    text = b"".join(len(part).to_bytes(4) + part for part in data)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    frames = FrameSplitter()

    assert [frame for start, end in pairwise(edges) for frame in frames.feed(text[start:end])] == data


def test_a_frame_that_no_object_fills_is_refused_before_it_has_come():
    with pytest.raises(Undecodable, match="frame"):
        list(FrameSplitter().feed((MAX_FRAME_BYTES + 1).to_bytes(4)))
