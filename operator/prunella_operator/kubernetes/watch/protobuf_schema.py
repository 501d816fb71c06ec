"""The parts of Kubernetes' protobuf messages that watches read; fields not named here are skipped undecoded.

Names and numbers are those of `generated.proto` in k8s.io/api and k8s.io/apimachinery, where they never change.
Text is declared as bytes: Kubernetes does not guarantee that messages of containers are UTF-8.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Kind = tuple[int, str]
"""The number of a field and its type: a name of `_SCALARS`, a message, `map` (of texts) or `[TYPE]`, a list."""

MESSAGES: dict[str, dict[str, Kind]] = {
    # An event of a watch.
    "RawExtension": {"raw": (1, "bytes")},
    "WatchEvent": {"type": (1, "text"), "object": (2, "RawExtension")},
    "ListMeta": {"resourceVersion": (2, "text"), "continue": (3, "text")},
    "List": {"metadata": (1, "ListMeta"), "items": (2, "[bytes]")},
    "StatusDetails": {"retryAfterSeconds": (5, "int")},
    "Status": {"message": (3, "text"), "reason": (4, "text"), "details": (5, "StatusDetails"), "code": (6, "int")},
    "Time": {"seconds": (1, "int")},
    "OwnerReference": {
        "kind": (1, "text"),
        "name": (3, "text"),
        "uid": (4, "text"),
        "apiVersion": (5, "text"),
        "controller": (6, "bool"),
    },
    "ObjectMeta": {
        "name": (1, "text"),
        "namespace": (3, "text"),
        "uid": (5, "text"),
        "resourceVersion": (6, "text"),
        "generation": (7, "int"),
        "deletionTimestamp": (9, "Time"),
        "labels": (11, "map"),
        "annotations": (12, "map"),
        "ownerReferences": (13, "[OwnerReference]"),
    },
    "Object": {"metadata": (1, "ObjectMeta")},
    "Namespace": {"metadata": (1, "ObjectMeta")},
    "Pod": {"metadata": (1, "ObjectMeta"), "status": (3, "PodStatus")},
    "PodStatus": {
        "phase": (1, "text"),
        "conditions": (2, "[PodCondition]"),
        "reason": (4, "text"),
        "startTime": (7, "Time"),
        "containerStatuses": (8, "[ContainerStatus]"),
        "initContainerStatuses": (10, "[ContainerStatus]"),
    },
    "PodCondition": {"type": (1, "text"), "status": (2, "text"), "lastTransitionTime": (4, "Time")},
    "ContainerStatus": {
        "name": (1, "text"),
        "state": (2, "ContainerState"),
        "lastState": (3, "ContainerState"),
        "ready": (4, "bool"),
        "restartCount": (5, "int"),
    },
    "ContainerState": {"waiting": (1, "ContainerStateWaiting"), "terminated": (3, "ContainerStateTerminated")},
    "ContainerStateWaiting": {"reason": (1, "text"), "message": (2, "text")},
    "ContainerStateTerminated": {"exitCode": (1, "int"), "reason": (3, "text"), "finishedAt": (6, "Time")},
    "Deployment": {"metadata": (1, "ObjectMeta"), "spec": (2, "DeploymentSpec"), "status": (3, "DeploymentStatus")},
    "DeploymentSpec": {"replicas": (1, "int"), "paused": (7, "bool")},
    "DeploymentStatus": {
        "observedGeneration": (1, "int"),
        "replicas": (2, "int"),
        "updatedReplicas": (3, "int"),
        "availableReplicas": (4, "int"),
        "conditions": (6, "[DeploymentCondition]"),
    },
    "DeploymentCondition": {
        "type": (1, "text"),
        "status": (2, "text"),
        "reason": (4, "text"),
        "message": (5, "text"),
        "lastTransitionTime": (7, "Time"),
    },
    "StatefulSet": {"metadata": (1, "ObjectMeta"), "spec": (2, "StatefulSetSpec"), "status": (3, "StatefulSetStatus")},
    "StatefulSetSpec": {"replicas": (1, "int"), "updateStrategy": (7, "StatefulSetUpdateStrategy")},
    "StatefulSetUpdateStrategy": {"type": (1, "text"), "rollingUpdate": (2, "RollingUpdateStatefulSetStrategy")},
    "RollingUpdateStatefulSetStrategy": {"partition": (1, "int")},
    "StatefulSetStatus": {
        "observedGeneration": (1, "int"),
        "replicas": (2, "int"),
        "updatedReplicas": (5, "int"),
        "conditions": (10, "[StatefulSetCondition]"),
        "availableReplicas": (11, "int"),
    },
    "StatefulSetCondition": {
        "type": (1, "text"),
        "status": (2, "text"),
        "lastTransitionTime": (3, "Time"),
        "reason": (4, "text"),
        "message": (5, "text"),
    },
    "DaemonSet": {"metadata": (1, "ObjectMeta"), "spec": (2, "DaemonSetSpec"), "status": (3, "DaemonSetStatus")},
    "DaemonSetSpec": {"updateStrategy": (3, "DaemonSetUpdateStrategy")},
    "DaemonSetUpdateStrategy": {"type": (1, "text")},
    "DaemonSetStatus": {
        "currentNumberScheduled": (1, "int"),
        "desiredNumberScheduled": (3, "int"),
        "observedGeneration": (5, "int"),
        "updatedNumberScheduled": (6, "int"),
        "numberAvailable": (7, "int"),
    },
    "Job": {"metadata": (1, "ObjectMeta"), "status": (3, "JobStatus")},
    "JobStatus": {"conditions": (1, "[JobCondition]")},
    "JobCondition": {
        "type": (1, "text"),
        "status": (2, "text"),
        "lastTransitionTime": (4, "Time"),
        "reason": (5, "text"),
        "message": (6, "text"),
    },
}

_PACKAGE, _ENVELOPE = "prunella", "Envelope"
_OPTIONAL: Any = FieldDescriptorProto.LABEL_OPTIONAL
_SCALARS = {
    "text": FieldDescriptorProto.TYPE_BYTES,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int": FieldDescriptorProto.TYPE_INT64,  # also reads int32
    "bool": FieldDescriptorProto.TYPE_BOOL,
}


def message(kind: str) -> type[Message]:
    """The message class of this kind, one of `MESSAGES`."""
    return _classes()[kind]


def envelope(kind: str) -> type[Message]:
    """The message class that holds a message of this kind as `raw`: Kubernetes' `runtime.Unknown`."""
    return _classes()[kind + _ENVELOPE]


def is_list(kind: str) -> bool:
    """True for the type of a repeated field."""
    return kind.startswith("[")


@cache
def _classes() -> Mapping[str, type[Message]]:
    file = FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    # Unknown declares its content as bytes. Declared as the actual message, it is decoded in one step and copied less.
    envelopes = {name + _ENVELOPE: {"raw": (2, name)} for name in MESSAGES}
    for name, fields in (MESSAGES | envelopes).items():
        descriptor = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(descriptor, field, number, kind)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in (*MESSAGES, *envelopes)}


def _add_field(into: DescriptorProto, name: str, number: int, kind: str) -> None:
    label = FieldDescriptorProto.LABEL_REPEATED if is_list(kind) or kind == "map" else _OPTIONAL
    field = into.field.add(name=name, number=number, label=label)
    element = kind.strip("[]")
    if element in _SCALARS:
        field.type = _SCALARS[element]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        owner = f"{into.name}.{_add_map_entry(into, name)}" if kind == "map" else element
        field.type_name = f".{_PACKAGE}.{owner}"


def _add_map_entry(into: DescriptorProto, field: str) -> str:
    """Declare the entry type of a map, which protobuf requires, and return its name."""
    entry = into.nested_type.add(name=f"{field[0].upper()}{field[1:]}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_OPTIONAL, type=FieldDescriptorProto.TYPE_STRING)
    entry.field.add(name="value", number=2, label=_OPTIONAL, type=FieldDescriptorProto.TYPE_BYTES)
    return entry.name
