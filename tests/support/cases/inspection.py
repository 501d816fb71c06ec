"""Accessors for the incident and the workload of a case."""

from collections.abc import Iterable

import pytest
from support.api import Object


def with_cases(*names: str) -> pytest.MarkDecorator:
    """Run the test on these cases."""
    return pytest.mark.parametrize("case_run", names, indirect=True)


def condition(incident: Object, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = {entry["type"]: entry for entry in incident["status"]["conditions"]}
    return (found[kind]["status"], found[kind]["reason"])


def template(workload: Object) -> Object:
    """The pod template."""
    made: Object = workload["spec"]["template"]
    return made


def containers(workload: Object) -> Iterable[Object]:
    """All containers, init containers first."""
    pod = template(workload)["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


def limits(workload: Object) -> dict[str, str]:
    """The memory limit of each container."""
    return {container["name"]: container["resources"]["limits"]["memory"] for container in containers(workload)}


def requests(workload: Object) -> dict[str, str]:
    """The memory request of each container."""
    return {container["name"]: container["resources"]["requests"]["memory"] for container in containers(workload)}
