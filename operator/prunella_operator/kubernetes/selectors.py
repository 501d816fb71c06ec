"""Label selectors of workloads: as the text that a list takes, and as the question whether labels match."""

from collections.abc import Mapping
from typing import Any

_TEXT = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


def selector_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The selector of a workload; one without any selects everything."""
    return (raw.get("spec") or {}).get("selector") or {}


def as_text(selector: Mapping[str, Any]) -> str:
    """The selector as a list's `labelSelector`."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*parts, *map(_expression, selector.get("matchExpressions") or ())])


def _expression(mapping: Mapping[str, Any]) -> str:
    return _TEXT[mapping["operator"]].format(key=mapping["key"], values=",".join(mapping.get("values") or ()))


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether these labels are selected."""
    wanted = selector.get("matchLabels") or {}
    equal = all(labels.get(key) == value for key, value in wanted.items())
    return equal and all(_holds(matchexpression, labels) for matchexpression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
