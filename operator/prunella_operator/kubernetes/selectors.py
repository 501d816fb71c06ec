"""Label selectors of workloads and policies: as text for a list request, and matched against labels."""

import re
from collections.abc import Mapping
from typing import Any

_FORMATS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}

_PARTS = re.compile(r"(?:[^,(]|\([^)]*\))+")
_SET = re.compile(r"(?P<key>\S+) (?P<word>in|notin) \((?P<values>[^)]*)\)")


def selector_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The selector of a workload; an empty one selects everything."""
    return (raw.get("spec") or {}).get("selector") or {}


def format_selector(selector: Mapping[str, Any]) -> str:
    """Format the selector as the `labelSelector` of a list request."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*parts, *map(_format_expression, selector.get("matchExpressions") or ())])


def _format_expression(expression: Mapping[str, Any]) -> str:
    values = ",".join(expression.get("values") or ())
    return _FORMATS[expression["operator"]].format(key=expression["key"], values=values)


def parse_selector(text: str) -> dict[str, Any]:
    """Parse the `labelSelector` of a list request, as `format_selector` formats it."""
    return {"matchExpressions": [_parse_expression(part) for part in _PARTS.findall(text)]}


def _parse_expression(text: str) -> dict[str, Any]:
    if found := _SET.fullmatch(text):
        operator = "In" if found["word"] == "in" else "NotIn"
        return {"key": found["key"], "operator": operator, "values": found["values"].split(",")}
    if text.startswith("!"):
        return {"key": text[1:], "operator": "DoesNotExist"}
    key, equals, value = text.partition("=")
    return {"key": key, "operator": "In", "values": [value]} if equals else {"key": key, "operator": "Exists"}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """True when the selector selects these labels."""
    wanted = selector.get("matchLabels") or {}
    equal = all(labels.get(key) == value for key, value in wanted.items())
    return equal and all(_is_met(expression, labels) for expression in selector.get("matchExpressions") or ())


def _is_met(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
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
