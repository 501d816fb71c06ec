"""The exact change between two pod templates or numbers, for people, with values of environment variables masked."""

import difflib
import hashlib
import secrets
from typing import Any

import yaml

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import normalize
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.redaction import redact

_MAX_CHARS = 8000
_KEY = secrets.token_bytes(32)


def template_diff(before: Object, after: Object) -> str:
    """A unified diff of two templates as YAML, capped in size, without secrets."""
    text = _diff("spec.template", _lines(before), _lines(after))
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "\n... (cut)"


def number_diff(field: str, before: int, after: int) -> str:
    """The same for one number of an object's spec."""
    return _diff(f"spec.{field}", [f"{field}: {before}"], [f"{field}: {after}"])


def memory_diff(container: str, before: int, after: int) -> str:
    """The same for the memory limit of one container of running pods."""
    old, new = ([f"memory: {format_bytes(value)}"] for value in (before, after))
    return _diff(f"containers[{container}].resources.limits.memory", old, new)


def _diff(name: str, before: list[str], after: list[str]) -> str:
    return "\n".join(difflib.unified_diff(before, after, f"{name} (now)", f"{name} (repaired)", lineterm="", n=2))


def _lines(template: Object) -> list[str]:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    shown = normalize(template)
    shown["metadata"] |= {"annotations": annotations} if annotations else {}  # restart stamps are worth showing
    return yaml.safe_dump(_mask_values(shown), sort_keys=True, width=200).splitlines()


def _mask_values(node: Any) -> Any:
    if isinstance(node, list):
        return [_mask_values(item) for item in node]
    if isinstance(node, dict):
        return {
            key: _mask(value) if key == "value" and "name" in node else _mask_values(value)
            for key, value in node.items()
        }
    return redact(node) if isinstance(node, str) else node


def _mask(value: Any) -> str:
    """A mask tells equal from changed values within a diff. Its key is secret: guesses cannot be tested against it."""
    return f"(hidden, mark {hashlib.blake2s(str(value).encode(), key=_KEY).hexdigest()[:8]})"
