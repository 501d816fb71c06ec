"""Views of what a pod template asks of the cluster: resources, nodes, images, and objects that must exist."""

from collections.abc import Iterator

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import containers, references, short_hash
from prunella_workflows.model.pod_demands import PodDemands
from prunella_workflows.model.quantity import parse_quantity

_PLACEMENT = ("affinity", "nodeName", "nodeSelector", "schedulerName", "tolerations", "topologySpreadConstraints")
_KEY_REFERENCES = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
_NAMED = {
    "serviceAccountName": "ServiceAccount",
    "priorityClassName": "PriorityClass",
    "runtimeClassName": "RuntimeClass",
}


def pod_demands(template: Object) -> PodDemands:
    """The demands of a pod of this template."""
    spec = template.get("spec") or {}
    return PodDemands(
        resources=_resources(spec),
        images={container["name"]: container.get("image", "") for container in containers(template)},
        references=frozenset((*references(template), *_keys(template), *_objects(spec))),
        placement=short_hash([[spec.get(key) for key in _PLACEMENT], sorted(_claims(spec)), _host_ports(spec)]),
        volumes={volume["name"]: short_hash(volume) for volume in spec.get("volumes") or ()},
        runtime_class=spec.get("runtimeClassName") or "",
    )


def _resources(spec: Object) -> dict[str, float]:
    """The sums over the containers. Init containers run one after the other, so only the largest of them counts."""
    inits = spec.get("initContainers") or ()
    sidecars = [container for container in inits if container.get("restartPolicy") == "Always"]
    sums: dict[str, float] = {}
    for container in (*(spec.get("containers") or ()), *sidecars):
        for name, value in _container_resources(container).items():
            sums[name] = sums.get(name, 0) + value
    for container in inits:
        for name, value in _container_resources(container).items():
            sums[name] = max(sums.get(name, 0), value)
    return sums


def _container_resources(container: Object) -> dict[str, float]:
    """Its requests and limits; without a request a container requests its limit."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found = {"limits": limits, "requests": {**limits, **requests}}
    return {
        f"{kind}.{name}": float(parse_quantity(str(value)))
        for kind, values in found.items()
        for name, value in values.items()
    }


def _keys(template: Object) -> Iterator[str]:
    """The keys of ConfigMaps and Secrets that its environment needs."""
    for container in containers(template):
        for variable in container.get("env") or ():
            for field, kind in _KEY_REFERENCES.items():
                if (source := (variable.get("valueFrom") or {}).get(field)) and not source.get("optional"):
                    yield f"{kind}/{source.get('name')} (key {source.get('key')})"


def _objects(spec: Object) -> Iterator[str]:
    yield from (f"PersistentVolumeClaim/{claim}" for claim in _claims(spec))
    yield from (f"{kind}/{spec[field]}" for field, kind in _NAMED.items() if spec.get(field))


def _claims(spec: Object) -> list[str]:
    sources = (volume.get("persistentVolumeClaim") or {} for volume in spec.get("volumes") or ())
    return [str(source["claimName"]) for source in sources if source.get("claimName")]


def _host_ports(spec: Object) -> list[int]:
    ports = (port for container in spec.get("containers") or () for port in container.get("ports") or ())
    return sorted(int(port["hostPort"]) for port in ports if port.get("hostPort"))
