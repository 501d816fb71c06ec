"""Names of images: two names are the same image if both come down to one digest, or to one full name."""

from collections.abc import Iterable, Mapping

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import containers
from prunella_workflows.model.image import split_image

_LISTS = ("initContainers", "containers")
_STATUSES = ("initContainerStatuses", "containerStatuses")


def plain_images(template: Object, digests: Mapping[str, str]) -> Object:
    """The template with plain names of its images."""
    spec = template.get("spec") or {}
    plain = {
        key: [{**container, "image": plain_name(container.get("image", ""), digests)} for container in spec[key]]
        for key in _LISTS
        if spec.get(key)
    }
    return {**template, "spec": {**spec, **plain}}


def plain_name(image: str, digests: Mapping[str, str]) -> str:
    """The full name by digest if that is known, else by tag."""
    repository, tag, digest = split_image(_with_registry(image))
    if digest:
        return f"{repository}@{digest}"
    tagged = f"{repository}:{tag or 'latest'}"
    return digests.get(tagged, tagged)


def known_digests(pods: Iterable[Object]) -> dict[str, str]:
    """The names by digest of the tags that these pods run. A tag that was moved meanwhile has none."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        status = pod.get("status") or {}
        ids = {one["name"]: one.get("imageID", "") for key in _STATUSES for one in status.get(key) or ()}
        for container in containers(pod):
            digest = split_image(ids.get(container["name"], "")).digest
            tagged = plain_name(container.get("image", ""), {})
            if digest and "@" not in tagged:
                found.setdefault(tagged, set()).add(f"{tagged.rpartition(':')[0]}@{digest}")
    return {tagged: names.pop() for tagged, names in found.items() if len(names) == 1}


def _with_registry(name: str) -> str:
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"
