"""The samples of manifests/samples, each in a namespace of its own, so that all can be played at once."""

from typing import Any

from support.api import Object, documents
from support.cluster import ROOT

SAMPLES = ROOT / "manifests" / "samples"
SHORT: Object = {"grace": "3s", "cooldown": "10s", "verification": {"window": "6s", "timeout": "90s"}}
"""Replaces the samples' windows; the timeout is longer, because here everything is broken at once."""


def load(sample: str, file: str, namespace: str) -> list[Object]:
    """The objects of a file, moved to another namespace. Namespaces are left out: the tests make them."""
    return [
        moved(document, namespace) for document in documents(SAMPLES / sample / file) if document["kind"] != "Namespace"
    ]


def moved(obj: Object, namespace: str) -> Object:
    """The same object in another namespace."""
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def policy(namespace: str, **changes: Any) -> Object:
    """The samples' policy with short windows."""
    (whole,) = documents(SAMPLES / "policy.yaml")
    return moved({**whole, "spec": {**whole["spec"], **SHORT, **changes}}, namespace)


def namespace_of(sample: str | None, name: str, labels: dict[str, str]) -> Object:
    """The sample's own namespace object, or that of all samples, under another name."""
    path = SAMPLES / (sample or "") / "namespace.yaml"
    (namespace,) = documents(path if path.exists() else SAMPLES / "namespace.yaml")
    meta = namespace["metadata"]
    return {**namespace, "metadata": {**meta, "name": name, "labels": {**(meta.get("labels") or {}), **labels}}}


def deployment(objects: list[Object]) -> Object:
    """The one Deployment among them."""
    (only,) = (obj for obj in objects if obj["kind"] == "Deployment")
    return only


def container(obj: Object, name: str = "server") -> Object:
    """A container of a Deployment's template."""
    return next(entry for entry in obj["spec"]["template"]["spec"]["containers"] if entry["name"] == name)


def set_env(obj: Object, **values: str) -> None:
    """Set environment variables of the server; upper case names."""
    env = container(obj).setdefault("env", [])
    env[:] = [variable for variable in env if variable["name"] not in values]
    env += [{"name": name, "value": value} for name, value in values.items()]
