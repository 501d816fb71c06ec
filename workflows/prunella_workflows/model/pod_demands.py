"""Demands: the parts of a pod template that need something of the cluster, so that two releases can be compared."""

from collections.abc import Iterable

from pydantic import Field

from prunella_workflows.model.base import Value


class PodDemands(Value):
    """The demands of one pod of a template.

    `resources`: sums over its containers, by the names of quotas (`requests.cpu`, `limits.memory`), in cores or bytes.
    `images`: by container. `references`: the objects that must exist (`Secret/token`, `Secret/token (key user)`).
    Digests: `placement` of what restricts its nodes, `volumes` of each volume by name.
    """

    resources: dict[str, float] = Field(default_factory=dict)
    images: dict[str, str] = Field(default_factory=dict)
    references: frozenset[str] = frozenset()
    placement: str = ""
    volumes: dict[str, str] = Field(default_factory=dict)
    runtime_class: str = ""

    def exceeds(self, other: "PodDemands") -> bool:
        """Report whether it asks for more of any resource than the other, or leaves out a limit that the other has."""
        more = any(value > other.resources.get(name, 0) for name, value in self.resources.items())
        return more or any(name not in self.resources for name in other.resources if name.startswith("limits."))

    def requests_more(self, other: "PodDemands", names: Iterable[str]) -> bool:
        """Report whether it requests more than the other of any of these resources (`cpu`, `example.org/gpu`)."""
        keys = [f"requests.{name}" for name in names]
        return any(self.resources.get(key, 0) > other.resources.get(key, 0) for key in keys)
