"""The keys of ours: spelled in one module, and as manifests and documents spell them."""

import ast
from pathlib import Path

import pytest

from prunella_workflows.model import labels

ROOT = Path(__file__).parents[4]


def spells_a_key(path):
    """Check the code only; the docstrings of fields are texts for people."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    values = (node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in texts)
    return any(labels.GROUP in value for value in values if isinstance(value, str))


def test_a_key_is_spelled_in_one_module_only():
    """A key spelled twice is changed in one place and forgotten in the other."""
    sources = [path for package in ("operator", "workflows") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if spells_a_key(path)] == ["labels.py"]


@pytest.mark.parametrize("key", [labels.REPAIR_SLOT, labels.REPAIR_SLOTS])
def test_the_admission_policy_protects_the_keys_that_budgets_count(key):
    assert f"'{key}'" in (ROOT / "manifests" / "admission" / "incidents.yaml").read_text()
