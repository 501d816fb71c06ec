"""Label selectors: their text and their meaning."""

import pytest

from prunella_operator.kubernetes.selectors import format_selector, matches, parse_selector, selector_of


def expression(key, operator, *values):
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


ONE = {"matchLabels": {"app": "web", "tier": "front"}}
ALL = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [
        expression("tier", "In", "front", "edge"),
        expression("zone", "NotIn", "west"),
        expression("team", "Exists"),
        expression("canary", "DoesNotExist"),
    ],
}


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({}, ""),
        (ONE, "app=web,tier=front"),
        (ALL, "app=web,tier in (front,edge),zone notin (west),team,!canary"),
    ],
)
def test_as_text(selector, text):
    assert format_selector(selector) == text


@pytest.mark.parametrize(
    ("labels", "selected"),
    [
        ({"app": "web", "tier": "edge", "team": "x"}, True),
        ({"app": "web", "tier": "edge", "team": ""}, True),
        ({"app": "web", "tier": "back", "team": "x"}, False),
        ({"app": "web", "tier": "edge", "team": "x", "zone": "west"}, False),
        ({"app": "web", "tier": "edge"}, False),
        ({"app": "web", "tier": "edge", "team": "x", "canary": "no"}, False),
        ({"app": "shop", "tier": "edge", "team": "x"}, False),
        ({"tier": "edge", "team": "x"}, False),
        ({}, False),
    ],
)
def test_matches(labels, selected):
    assert matches(ALL, labels) is selected
    assert matches(parse_selector(format_selector(ALL)), labels) is selected


def test_no_selector_selects_everything():
    assert selector_of({}) == {}
    assert matches({}, {})
