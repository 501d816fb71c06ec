"""Pod templates: hashes that tell releases apart, the containers of a template, and the labels of its revisions."""

from collections.abc import Iterator
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.digest import digest
from prunella_workflows.model.quantity import parse_bytes, parse_quantity
from prunella_workflows.model.workload import ContainerView

POD_TEMPLATE_HASH = "pod-template-hash"
REVISION_HASH = "controller-revision-hash"
REVISION = "deployment.kubernetes.io/revision"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

_MAX_REVISION_DIGITS = 18  # of a 64-bit number; int() refuses texts of several thousand digits
_REFERENCES = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}
_CONTAINER_LISTS = ("initContainers", "containers")


def template_of(raw: Object) -> Object:
    """The pod template of a workload or of a revision in its history. For a bare pod, it is built from the pod."""
    if "data" in raw:  # a ControllerRevision (items of a list have no kind)
        return ((raw["data"] or {}).get("spec") or {}).get("template") or {}
    if raw.get("kind") == "Pod":
        return {"metadata": {"labels": raw["metadata"].get("labels") or {}}, "spec": raw.get("spec") or {}}
    spec = raw.get("spec") or {}
    if raw.get("kind") == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    return spec.get("template") or {}


def normalize(template: Object) -> Object:
    """The template without what a rollout or a restart adds: two releases are equal if these are."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT}
    kept = {"labels": labels} | ({"annotations": annotations} if annotations else {})
    return {"metadata": kept, "spec": template.get("spec") or {}}


def template_hash(template: Object) -> str:
    """A short hash of a normalized template (64 bits of SHA-256)."""
    kept = normalize(template)
    return short_hash({**kept, "spec": with_plain_resources(kept["spec"])})


def short_hash(value: Any) -> str:
    """The first 64 bits of the SHA-256 of a JSON value."""
    return digest(value)[:16]


def with_plain_resources(spec: Object) -> Object:
    """The pod spec with its resources as plain numbers: to Kubernetes 64Mi and 67108864 are the same."""
    lists = {key: spec[key] for key in _CONTAINER_LISTS if spec.get(key)}
    plain = {
        key: [{**container, "resources": plain_resources(container)} for container in containers]
        for key, containers in lists.items()
    }
    return {**spec, **plain}


def plain_resources(container: Object) -> Object:
    """The resources of a container as plain numbers."""
    resources = container.get("resources") or {}
    lists = {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
    numbers = {key: {name: _plain_number(value) for name, value in found.items()} for key, found in lists.items()}
    return {**resources, **numbers}


def _plain_number(quantity: Any) -> str:
    try:
        return str(parse_quantity(str(quantity)).normalize())
    except ValueError:
        return str(quantity)


def revision_label(revision: Object) -> str:
    """The label value that pods of this revision have: a hash, or the revision's name for StatefulSets."""
    return pod_revision(revision["metadata"].get("labels") or {}) or str(revision["metadata"]["name"])


def pod_revision(labels: dict[str, str]) -> str:
    """The revision that a pod with these labels belongs to; "" for none."""
    return str(labels.get(POD_TEMPLATE_HASH) or labels.get(REVISION_HASH) or "")


def revision_number(revision: Object) -> int:
    """The number that the controller gave the revision: newer is larger; 0 for none."""
    text = str((revision["metadata"].get("annotations") or {}).get(REVISION, ""))
    return int(revision.get("revision") or (text if text.isdecimal() and len(text) <= _MAX_REVISION_DIGITS else 0))


def containers(template: Object) -> list[Object]:
    """All containers of a template, init containers first."""
    spec = template.get("spec") or {}
    return [container for key in _CONTAINER_LISTS for container in spec.get(key) or ()]


def container_views(template: Object) -> tuple[ContainerView, ...]:
    """All containers of a template, init containers first."""
    spec = template.get("spec") or {}
    return tuple(
        _container_view(raw, index, init=key == "initContainers")
        for key in _CONTAINER_LISTS
        for index, raw in enumerate(spec.get(key) or ())
    )


def references(template: Object) -> tuple[str, ...]:
    """The ConfigMaps and Secrets whose contents the containers get (`Secret/token`), each once."""
    volumes = (template.get("spec") or {}).get("volumes") or ()
    sources = [source for volume in volumes for source in _volume_sources(volume)]
    for container in containers(template):
        sources += container.get("envFrom") or ()
        sources += (variable.get("valueFrom") or {} for variable in container.get("env") or ())
    return tuple(dict.fromkeys(name for source in sources for name in _referred(source)))


def _volume_sources(volume: Object) -> list[Object]:
    return [volume, *((volume.get("projected") or {}).get("sources") or ())]


def _referred(source: Object) -> Iterator[str]:
    for key, kind in _REFERENCES.items():
        if name := (found := source.get(key) or {}).get("name") or found.get("secretName"):
            yield f"{kind}/{name}"


def _container_view(raw: Object, index: int, *, init: bool) -> ContainerView:
    resources = raw.get("resources") or {}
    return ContainerView(
        name=raw["name"],
        index=index,
        init=init,
        image=raw.get("image", ""),
        memory_request=_memory(resources.get("requests")),
        memory_limit=_memory(resources.get("limits")),
        cpu_request=_cpu(resources.get("requests")),
        cpu_limit=_cpu(resources.get("limits")),
        liveness=bool(raw.get("livenessProbe")),
        environment=tuple(str(variable.get("name", "")) for variable in raw.get("env") or ()),
    )


def memory_limit(spec: Object) -> int | None:
    """The memory limit of a pod as a whole, beside those of its containers."""
    return _memory((spec.get("resources") or {}).get("limits"))


def _memory(resources: Object | None) -> int | None:
    value = (resources or {}).get("memory")
    return parse_bytes(str(value)) if value is not None else None


def _cpu(resources: Object | None) -> float | None:
    value = (resources or {}).get("cpu")
    return float(parse_quantity(str(value))) if value is not None else None
