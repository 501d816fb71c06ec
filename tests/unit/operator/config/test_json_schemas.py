"""The JSON schemas accept every policy and Incident of the repository, and name the field that is misspelt."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).parents[4]
SCHEMAS = {path.stem.partition("_")[0]: path for path in (ROOT / "schemas" / "prunella.dev").glob("*.json")}


def validator(kind):
    return Draft7Validator(json.loads(SCHEMAS[kind.lower()].read_text()))


def documents():
    for path in sorted((ROOT / "manifests" / "samples").rglob("*.yaml")):
        yield from (document for document in yaml.safe_load_all(path.read_text()) if document)


def own():
    return [document for document in documents() if document["apiVersion"].startswith("prunella.dev/")]


def test_each_kind_has_a_schema():
    kinds = {yaml.safe_load(path.read_text())["spec"]["names"]["singular"] for path in (ROOT / "crds").glob("*.yaml")}
    assert SCHEMAS.keys() == kinds
    for kind in kinds:
        Draft7Validator.check_schema(json.loads(SCHEMAS[kind].read_text()))


def test_the_samples_are_valid():
    assert {document["kind"] for document in own()} >= {"HealingPolicy", "Incident"}
    for document in own():
        assert list(validator(document["kind"]).iter_errors(document)) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"mod": "Heal"}, "'mod' was unexpected"),
        ({"mode": "heal"}, "'heal' is not one of"),
        ({"verification": {"windw": "5m"}}, "'windw' was unexpected"),
    ],
)
def test_a_mistake_is_named(spec, said):
    policy = {"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy", "metadata": {"name": "a"}, "spec": spec}
    (error,) = validator("HealingPolicy").iter_errors(policy)
    assert said in error.message
