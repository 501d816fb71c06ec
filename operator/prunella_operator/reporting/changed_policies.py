"""Policies of a file, laid over recorded facts: they replace those of the same kind and name, or are added."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.dump.client import SYSTEM_NAMESPACE
from prunella_operator.policies.kinds import CLUSTER, KINDS, NAMESPACED
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.facts import Facts


@dataclass(frozen=True)
class ChangedPolicies:
    """The policies of a file."""

    policies: tuple[Object, ...]

    def apply(self, facts: Facts) -> Facts:
        """The facts as they would have been with these policies."""
        evidence, namespace = facts.evidence, facts.evidence.workload.ref.namespace
        wide = [one for one in self.policies if one["kind"] == CLUSTER.name]
        local = [one for one in self.policies if one["kind"] == NAMESPACED.name and _is_in(namespace, one)]
        replaced = {f"{one['kind']}/{one['metadata']['name']}" for one in (*wide, *local)}
        selected = (
            *(layer for layer in facts.policies if layer.source not in replaced),
            *CLUSTER.select(wide, evidence.namespace_labels, SYSTEM_NAMESPACE),
            *NAMESPACED.select(local, evidence.workload.labels, namespace),
        )
        return facts.model_copy(update={"policies": selected})


def _is_in(namespace: str, policy: Object) -> bool:
    """True in the policy's own namespace. One that names none, as a file for `kubectl apply -n` does, is in all."""
    return policy["metadata"].get("namespace") in (None, namespace)


def parse_policies(text: str, place: str) -> ChangedPolicies:
    """Read a file of policies that `place` names.

    Raises:
        InvalidFile: it is no YAML, has another kind of object, or a policy has an invalid or unknown field.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise InvalidFile(f"{place}: {' '.join(str(error).split())}") from error
    if not documents:
        raise InvalidFile(f"{place}: there is no policy in it")
    for number, document in enumerate(documents, start=1):
        _check(document, f"{place}: document {number}")
    return ChangedPolicies(tuple(documents))


def _check(document: object, place: str) -> None:
    if not isinstance(document, dict) or document.get("kind") not in KINDS:
        raise InvalidFile(f"{place}: expected a policy, of kind {' or '.join(KINDS)}")
    metadata, spec = document.get("metadata"), document.get("spec") or {}
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not isinstance(spec, dict):
        raise InvalidFile(f"{place}: expected metadata.name and a spec")
    try:
        parsed = KINDS[document["kind"]].parse(metadata["name"], spec, SYSTEM_NAMESPACE)
    except InvalidIncident as error:
        raise InvalidFile(f"{place}: {error}") from error
    known = parsed.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if unknown := next(_unknown_fields(spec, known, "spec"), ""):
        raise InvalidFile(f"{place}: {unknown}: there is no such field")


def _unknown_fields(raw: Any, known: Any, path: str) -> Iterator[str]:
    """The fields that the model ignored. The API server would refuse them."""
    if isinstance(raw, Mapping) and isinstance(known, Mapping):
        for key, value in raw.items():
            if key not in known:
                yield f"{path}.{key}"
            else:
                yield from _unknown_fields(value, known[key], f"{path}.{key}")
    elif isinstance(raw, list) and isinstance(known, list):
        for index, (value, other) in enumerate(zip(raw, known, strict=True)):
            yield from _unknown_fields(value, other, f"{path}[{index}]")
