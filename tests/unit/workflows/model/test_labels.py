"""The keys of ours: spelled in one module, and as manifests and documents spell them."""

from pathlib import Path

import pytest

from prunella_workflows.model import labels

ROOT = Path(__file__).parents[4]


def test_a_key_is_spelled_in_one_module_only():
    """A key spelled twice is changed in one place and forgotten in the other."""
    sources = [path for package in ("operator", "workflows") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if labels.GROUP in path.read_text()] == ["labels.py"]


@pytest.mark.parametrize("key", [labels.REPAIR_SLOT, labels.REPAIR_SLOTS])
def test_the_admission_policy_protects_the_keys_that_budgets_count(key):
    assert f"'{key}'" in (ROOT / "manifests" / "admission" / "incidents.yaml").read_text()
