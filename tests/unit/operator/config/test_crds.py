"""The hand-written CRDs and the models say the same, field by field, in both directions."""

import types
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic.fields import FieldInfo

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration, Memory
from prunella_workflows.model.incident import IncidentSpec, Severity
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, HealingPolicySpec

CRDS = Path(__file__).parents[4] / "crds"
PARTS = [
    pytest.param("incidents", "spec", IncidentSpec, id="incident spec"),
    pytest.param("incidents", "status", IncidentStatus, id="incident status"),
    pytest.param("healingpolicies", "spec", HealingPolicySpec, id="healing policy spec"),
    pytest.param("clusterhealingpolicies", "spec", ClusterHealingPolicySpec, id="cluster healing policy spec"),
]
PLURALS = ("incidents", "healingpolicies", "clusterhealingpolicies")
ACTIONS = {arg.model_fields["kind"].default for arg in get_args(get_args(Action)[0])}
POLICY_WORDS = {
    "causes[]": set(Cause) - {Cause.UNKNOWN},
    "actions[]": ACTIONS,
    "approval.actions[]": ACTIONS,
    "approval.severities[]": set(Severity),
    "approval.when": {"Never", "Always", "ByActionOrSeverity"},
    "verification.checks[].operator": {"<", "<=", ">", ">=", "==", "!="},
    "maintenanceWindows[].days[]": {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
    "escalation.quietHours[].days[]": {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
    "gitOps": {"Escalate", "Act"},
    "rollback": {"Allow", "Freeze"},
}
# The words of fields that are plain strings in the models: there a newer operator's word must not be an error.
WORDS = {
    IncidentSpec: {
        "approval.decision": {"Approved", "Rejected"},
        "target.apiVersion": {"apps/v1", "batch/v1", "v1"},
        "target.kind": {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"},
    },
    IncidentStatus: {"conditions[].status": {"True", "False", "Unknown"}},
    HealingPolicySpec: POLICY_WORDS,
    ClusterHealingPolicySpec: POLICY_WORDS | {"alerts.silence": {"WhileRepairing", "Never"}},
}
SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", datetime: "date-time"}


@dataclass(frozen=True)
class Facts:
    """What both sides know of a field."""

    type: str
    required: bool
    default: Any = None
    words: frozenset[str] = frozenset()


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


def facts_of_schema(node: dict[str, Any]) -> dict[str, Facts]:
    required = {f"{path}.{name}".lstrip(".") for path, parent in nodes(node) for name in parent.get("required", ())}
    return {
        path: Facts(schema_type(one), path in required, one.get("default"), frozenset(one.get("enum", ())))
        for path, one in nodes(node)
        if path
    }


def schema_type(node: dict[str, Any]) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    if "additionalProperties" in node:
        return "map"
    return "date-time" if node.get("format") == "date-time" else node["type"]


def facts_of_model(model: type[Value], path: str = "") -> dict[str, Facts]:
    found = {}
    for field in model.model_fields.values():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        found |= facts_of_type(annotation, f"{path}.{field.alias}".lstrip("."), field)
    return found


def facts_of_type(annotation: Any, path: str, field: FieldInfo | None = None) -> dict[str, Facts]:
    kind, words, below = type_of(without_none(annotation), path)
    required = field is not None and field.is_required()
    return {path: Facts(kind, required, plain_default(field) if field else None, frozenset(words))} | below


def type_of(annotation: Any, path: str) -> tuple[str, set[str], dict[str, Facts]]:
    """The schema's word for a type, its words if it is an enum, and what is below it."""
    named = {Duration: "string", Memory: "int-or-string", **SCALARS}
    arguments = get_args(annotation)
    if annotation in named:
        return named[annotation], set(), {}
    if get_origin(annotation) is tuple:
        return "array", set(), facts_of_type(arguments[0], f"{path}[]")
    if get_origin(annotation) is dict:
        return "map", set(), facts_of_type(arguments[1], f"{path}{{}}")
    if issubclass(annotation, Value):
        return "object", set(), facts_of_model(annotation, path)
    return "string", {one.value for one in annotation}, {}


def without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        (annotation,) = (arg for arg in get_args(annotation) if arg is not type(None))
    if get_origin(annotation) is Annotated and annotation not in {Duration, Memory}:
        return get_args(annotation)[0]
    return annotation


def plain_default(field: FieldInfo) -> Any:
    """The default as a schema would state it; empty is the same as absent."""
    if field.is_required():
        return None
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Value):
        assert default == type(default)(), "a nested default that is not empty cannot be written in a schema"
        return None
    return default if default not in (None, "", (), {}) else None


def both(plural: str, name: str, model: type[Value]) -> tuple[dict[str, Facts], dict[str, Facts]]:
    return facts_of_model(model), facts_of_schema(schema(plural, name))


def test_the_folder_holds_exactly_the_known_crds():
    assert sorted(path.stem for path in CRDS.glob("*.yaml")) == sorted(PLURALS)


@pytest.mark.parametrize(("plural", "name", "model"), PARTS)
class TestModelsAndSchemas:
    def test_every_model_field_is_in_the_schema(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        assert sorted(ours.keys() - theirs.keys()) == []

    def test_every_schema_property_is_a_model_field(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        assert sorted(theirs.keys() - ours.keys()) == []

    def test_types_are_the_same(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        assert {path: one.type for path, one in theirs.items()} == {path: one.type for path, one in ours.items()}

    def test_the_same_fields_are_required(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        assert {path for path, one in theirs.items() if one.required} == {
            path for path, one in ours.items() if one.required
        }

    def test_words_are_the_same(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        expected = {path: set(one.words) for path, one in ours.items() if one.words}
        assert {path: set(one.words) for path, one in theirs.items() if one.words} == expected | WORDS[model]

    def test_defaults_are_the_same_and_the_status_has_none(self, plural, name, model):
        ours, theirs = both(plural, name, model)
        expected = {path: one.default for path, one in ours.items() if one.default is not None and name == "spec"}
        assert {path: one.default for path, one in theirs.items() if one.default is not None} == expected


@pytest.mark.parametrize("plural", PLURALS)
class TestStructure:
    def test_every_field_is_described(self, plural):
        root = version(plural)["schema"]["openAPIV3Schema"]
        silent = [path for path, node in nodes(root) if not node.get("description") and path != "metadata"]
        assert silent == []

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
        if plural != "incidents":
            assert "status" not in version(plural)["schema"]["openAPIV3Schema"]["properties"]
            return
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
        assert lost == {".metadata.creationTimestamp"}


def test_columns_of_incidents():
    columns = version("incidents")["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("priority")] == [
        "Phase",
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


def test_names_that_people_type():
    names = {plural: load(plural)["spec"]["names"] for plural in PLURALS}
    assert {plural: one["shortNames"] for plural, one in names.items()} == {
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


def test_both_kinds_of_policy_share_their_fields():
    """What a field allows must not depend on where it is set, except for the budgets of the whole cluster."""
    here, there = schema("healingpolicies", "spec"), schema("clusterhealingpolicies", "spec")
    for one, selector in ((here, "selector"), (there, "namespaceSelector")):
        del one["properties"][selector]
        del one["properties"]["budgets"]["x-kubernetes-validations"]
        del one["properties"]["escalation"]["properties"]["channels"]["description"]
    del there["properties"]["alerts"]  # what has no namespace yet, or none at all
    assert here == there


@pytest.mark.parametrize("plural", ["healingpolicies", "clusterhealingpolicies"])
def test_policies_tell_the_built_in_values(plural):
    """A schema default would override less specific policies, so the description has to say it."""
    texts = {path: node.get("description", "") for path, node in nodes(schema(plural, "spec"))}

    def leaves(value: Any, path: str = ""):
        if isinstance(value, dict):
            for key, below in value.items():
                yield from leaves(below, f"{path}.{key}".lstrip("."))
        else:
            yield path, value if value != [] else "[]"

    built_in = dict(leaves(BUILT_IN.to_object()))
    assert len(built_in) > 20
    silent = [f"{path}: {value}" for path, value in built_in.items() if f"Built-in: {value}" not in texts[path]]
    assert silent == []


def test_defaults_are_told():
    for plural in PLURALS:
        for path, node in nodes(version(plural)["schema"]["openAPIV3Schema"]):
            if "default" in node:
                said = str(node["default"]).lower() if isinstance(node["default"], bool) else node["default"]
                assert f"Default: {said}." in node["description"], path
