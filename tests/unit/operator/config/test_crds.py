"""The CRDs are those generated from the models, and every field in them is described, bounded and mergeable."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from crdgen.docstrings import UndescribedFieldError
from crdgen.generate import files
from crdgen.schema import SchemaBuilder, UnknownPathError

from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.policy import BUILT_IN

CRDS = Path(__file__).parents[4] / "crds"
PLURALS = ("incidents", "healingpolicies", "clusterhealingpolicies")


def load(plural: str) -> dict[str, Any]:
    return yaml.safe_load((CRDS / f"{plural}.yaml").read_text())


def version(plural: str) -> dict[str, Any]:
    (only,) = load(plural)["spec"]["versions"]
    return only


def schema(plural: str, part: str) -> dict[str, Any]:
    return version(plural)["schema"]["openAPIV3Schema"]["properties"][part]


def nodes(node: dict[str, Any], path: str = ""):
    """All nodes of a schema with their paths: `a.b`, `list[]`, `map{}`."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".lstrip("."))
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def test_the_files_are_up_to_date():
    stale = [path.name for path, text in files() if path.read_text() != text]
    assert stale == [], "run make crds"


def test_a_field_without_a_docstring_is_refused():
    class Silent(Value):
        name: str

    with pytest.raises(UndescribedFieldError, match=r"Silent\.name"):
        SchemaBuilder({}).build(Silent, "spec")


def test_a_definition_for_a_field_that_no_model_has_is_refused():
    with pytest.raises(UnknownPathError, match=r"spec\.lost"):
        SchemaBuilder({"spec.lost": {"maxLength": 1}}).build(IncidentSpec, "spec")


def test_the_folder_holds_exactly_the_known_crds():
    assert sorted(path.stem for path in CRDS.glob("*.yaml")) == sorted(PLURALS)


@pytest.mark.parametrize("plural", PLURALS)
class TestStructure:
    def test_every_field_is_described(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        missing = [path for path, node in nodes(root) if not node.get("description") and path != "metadata"]
        assert missing == []

    def test_descriptions_are_sentences(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        texts = {path: node["description"] for path, node in nodes(root) if "description" in node}
        wrong = [
            path for path, text in texts.items() if not (text[0].isupper() and ("." in text or "Example:" in text))
        ]
        assert wrong == []

    def test_every_node_has_a_type(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        assert [path for path, node in nodes(root) if not ({"type", "x-kubernetes-int-or-string"} & node.keys())] == []

    def test_nothing_unknown_is_kept(self, plural):
        text = (CRDS / f"{plural}.yaml").read_text()
        assert "preserve-unknown-fields" not in text

    def test_lists_say_how_they_are_merged(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        arrays = {path: node for path, node in nodes(root) if node.get("type") == "array"}
        assert [path for path, node in arrays.items() if "x-kubernetes-list-type" not in node] == []

    def test_everything_in_the_spec_is_bounded(self, plural):
        bound = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
        free = [
            path
            for path, node in nodes(schema(plural, "spec"))
            if (want := bound.get(node.get("type", ""))) and want not in node and "enum" not in node
        ]
        free += [
            path
            for path, node in nodes(schema(plural, "spec"))
            if "additionalProperties" in node and "maxProperties" not in node
        ]
        assert free == []

    def test_the_status_refuses_as_little_as_possible(self, plural):
        bounds = {"maxLength", "maxItems", "minimum", "maximum", "pattern", "default", "x-kubernetes-validations"}
        assert {
            path: bounds & node.keys() for path, node in nodes(schema(plural, "status")) if bounds & node.keys()
        } == {}

    def test_every_rule_says_what_to_do(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        rules = [rule for _, node in nodes(root) for rule in node.get("x-kubernetes-validations", ())]
        assert rules
        assert [rule["rule"] for rule in rules if not ({"message", "messageExpression"} & rule.keys())] == []

    def test_columns_and_selectable_fields_lead_somewhere(self, plural):
        known = {path for path, _ in nodes(version(plural)["schema"]["openAPIV3Schema"])}
        columns = version(plural)["additionalPrinterColumns"] + version(plural).get("selectableFields", [])
        lost = {column["jsonPath"] for column in columns if column["jsonPath"].lstrip(".") not in known}
        ready = {'.status.conditions[?(@.type=="Ready")].status'} if "policies" in plural else set()
        assert lost == {".metadata.creationTimestamp", *ready}


def test_columns_of_incidents():
    columns = version("incidents")["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("priority")] == [
        "Phase",
        "Reason",
        "Cause",
        "Target",
        "Action",
        "Age",
    ]
    assert [column["name"] for column in columns if column.get("priority")] == [
        "Severity",
        "Detected",
        "Healed-In",
        "Workflow",
        "Trace",
    ]


@pytest.mark.parametrize("plural", ["healingpolicies", "clusterhealingpolicies"])
def test_the_status_of_policies_is_a_subresource_with_columns(plural):
    assert version(plural)["subresources"] == {"status": {}}
    columns = [column["name"] for column in version(plural)["additionalPrinterColumns"]]
    assert columns == ["Ready", "Workloads", "Mode", "Grace", "Rollback", "Age"]


def test_names_that_people_type():
    names = {plural: load(plural)["spec"]["names"] for plural in PLURALS}
    assert {plural: entry["shortNames"] for plural, entry in names.items()} == {
        "incidents": ["inc"],
        "healingpolicies": ["hp"],
        "clusterhealingpolicies": ["chp"],
    }
    assert all(name["categories"] == ["prunella"] for name in names.values())
    assert {plural: load(plural)["spec"]["scope"] for plural in PLURALS} == {
        "incidents": "Namespaced",
        "healingpolicies": "Namespaced",
        "clusterhealingpolicies": "Cluster",
    }


@pytest.mark.parametrize("plural", ["healingpolicies", "clusterhealingpolicies"])
def test_policies_state_the_built_in_values(plural):
    """A schema default would override less specific policies, so the description has to say it."""
    texts = {path: node.get("description", "") for path, node in nodes(schema(plural, "spec"))}

    def leaves(value: Any, path: str = ""):
        if isinstance(value, dict):
            for key, below in value.items():
                yield from leaves(below, f"{path}.{key}".lstrip("."))
        else:
            yield path, str(value).lower() if isinstance(value, bool) else value if value != [] else "[]"

    built_in = dict(leaves(BUILT_IN.to_object()))
    assert len(built_in) > 20
    missing = [f"{path}: {value}" for path, value in built_in.items() if f"Built-in: {value}" not in texts[path]]
    assert missing == []


def test_defaults_are_described():
    for plural in PLURALS:
        for path, node in nodes(version(plural)["schema"]["openAPIV3Schema"]):
            if "default" in node:
                text = str(node["default"]).lower() if isinstance(node["default"], bool) else node["default"]
                assert f"Default: {text}." in node["description"], path
