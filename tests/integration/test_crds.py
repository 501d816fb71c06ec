"""The CRDs on a real API server: what they accept, what they refuse and in which words, how they look in kubectl."""

import json
import shutil
import subprocess
import time
import urllib.parse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import config

from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.incident_status import (
    Attempt,
    Condition,
    EscalationNote,
    EvidenceNote,
    GuardNote,
    IncidentStatus,
    Phase,
    Times,
    WorkflowLink,
)
from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, PolicySpec

pytestmark = pytest.mark.integration

CRDS = Path(__file__).parents[2] / "crds"
GROUP = "/apis/prunella.dev/v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLURALS = {
    "Incident": "incidents",
    "HealingPolicy": "healingpolicies",
    "ClusterHealingPolicy": "clusterhealingpolicies",
}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)


class Answer:
    """Status, decoded body and warnings of one request."""

    def __init__(self, response):
        self.code = response.status
        self.body = json.loads(response.data) if response.data.startswith(b"{") else {"message": response.data.decode()}
        self.warnings = response.headers.getlist("Warning")

    def ok(self) -> dict[str, Any]:
        assert self.code < 300, self.body.get("message")
        return self.body

    @property
    def refusal(self) -> str:
        assert self.code in {400, 422}, f"expected a refusal, got {self.code}: {self.body}"
        return self.body["message"]


class Server:
    """Plain requests: the tests are about the server's responses, so no client may change them."""

    def __init__(self, kubeconfig):
        self._client = config.new_client_from_config(config_file=str(kubeconfig))
        auth = self._client.configuration.auth_settings().values()
        self._headers = {parameter["key"]: parameter["value"] for parameter in auth if parameter["in"] == "header"}

    def __call__(self, method, path, body=None, content="application/json", accept="application/json", **query):
        url = f"{self._client.configuration.host}{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = self._headers | {"Content-Type": content, "Accept": accept}
        return Answer(self._client.rest_client.pool_manager.request(method, url, body=data, headers=headers))


@pytest.fixture(scope="module")
def server(kubeconfig):
    return Server(kubeconfig)


@pytest.fixture(scope="module")
def crds(server):
    """The CRDs as they are in the tree, established. They stay: others may be using the cluster."""
    for path in sorted(CRDS.glob("*.yaml")):
        name = yaml.safe_load(path.read_text())["metadata"]["name"]
        answer = server(
            "PATCH", f"{DEFINITIONS}/{name}", path.read_text(), APPLY, fieldManager="prunella-tests", force="true"
        )
        answer.ok()
        assert answer.warnings == []
    for kind in PLURALS:
        until(lambda kind=kind: server("POST", path_of(kind, "default"), {}, dryRun="All").code != 404)


@pytest.fixture(scope="module")
def namespace(server, crds):
    labels = {"prunella.dev/ignore": "true"}  # an operator in the same cluster must leave our incidents alone
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "crds-", "labels": labels}}
    name = server("POST", "/api/v1/namespaces", body).ok()["metadata"]["name"]
    yield name
    server("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def create(server, namespace):
    """Create an object; by default only as a dry run, which the server validates in full."""

    def _create(kind, spec, dry_run=True, **query):
        body = {"apiVersion": "prunella.dev/v1alpha1", "kind": kind, "metadata": {"generateName": "t-"}, "spec": spec}
        query |= {"dryRun": "All"} if dry_run else {}
        return server("POST", path_of(kind, namespace), body, **query)

    return _create


@pytest.fixture
def opened(server, namespace, create):
    """An incident that exists, and the function that patches it."""
    incident = create("Incident", TARGETED | {"containerName": "server"}, dry_run=False).ok()
    path = f"{path_of('Incident', namespace)}/{incident['metadata']['name']}"

    def patch(spec, **query):
        return server("PATCH", path, {"spec": spec}, MERGE, **query)

    return incident, patch


def path_of(kind: str, namespace: str) -> str:
    return (
        f"{GROUP}/{PLURALS[kind]}" if kind.startswith("Cluster") else f"{GROUP}/namespaces/{namespace}/{PLURALS[kind]}"
    )


def until(done, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)
    return result


TARGETED = {"type": "OOMKilled", "target": {"kind": "Deployment", "name": "checkout"}}
POD = {"type": "PodCrashLoop", "podName": "checkout-6f7d9c5b8-x2x7k"}
CHECK = {"name": "error-rate", "query": "sum(errors)", "threshold": 0.05}


def test_the_definitions_are_accepted_without_warnings(server, crds):
    for plural in PLURALS.values():
        found = server("GET", f"{DEFINITIONS}/{plural}.prunella.dev").ok()
        conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        # The server lists what is wrong with a schema in this condition; a good schema has none.
        assert "NonStructuralSchema" not in conditions


BAD_INCIDENTS = [
    ("spec is a text", "soon", ["spec", "object"]),
    ("no type", {"podName": "a"}, ["spec.type", "Required"]),
    ("unknown type", TARGETED | {"type": "Tired"}, ["spec.type", '"PodCrashLoop"']),
    ("type in the wrong case", TARGETED | {"type": "oomkilled"}, ["spec.type", '"OOMKilled"']),
    ("neither target nor pod", {"type": "OOMKilled"}, ["exactly one of spec.target", "spec.podName"]),
    ("both target and pod", TARGETED | POD, ["exactly one of spec.target", "spec.podName"]),
    ("target without name", {"type": "Other", "target": {"kind": "Deployment"}}, ["spec.target.name", "Required"]),
    ("target without kind", {"type": "Other", "target": {"name": "a"}}, ["spec.target.kind", "Required"]),
    (
        "kind that is no workload",
        {"type": "Other", "target": {"kind": "Service", "name": "a"}},
        ["spec.target.kind", '"StatefulSet"'],
    ),
    (
        "job of another API group",
        {"type": "Other", "target": {"kind": "Job", "name": "a"}},
        ["spec.target.apiVersion must be batch/v1 for kind Job"],
    ),
    (
        "deployment of an old API",
        {"type": "Other", "target": {"apiVersion": "v1", "kind": "Deployment", "name": "a"}},
        ["spec.target.apiVersion must be apps/v1 for kind Deployment"],
    ),
    (
        "target name that no object can have",
        {"type": "Other", "target": {"kind": "Deployment", "name": "deployment/checkout"}},
        ["spec.target.name must be the name of an object"],
    ),
    (
        "empty target name",
        {"type": "Other", "target": {"kind": "Deployment", "name": ""}},
        ["spec.target.name must be"],
    ),
    ("pod name in capitals", {"type": "Other", "podName": "Checkout"}, ["spec.podName must be the name of a pod"]),
    ("pod name too long", {"type": "Other", "podName": "a" * 254}, ["spec.podName", "253"]),
    (
        "container name with a dot",
        POD | {"containerName": "a.b"},
        ["spec.containerName must be the name of a container"],
    ),
    ("unknown severity", POD | {"severity": "Urgent"}, ["spec.severity", '"Critical"']),
    ("unknown mode", POD | {"mode": "Observe"}, ["spec.mode", '"DryRun"']),
    ("endless description", POD | {"description": "a" * 4097}, ["spec.description", "4096"]),
    ("metric that is a number", POD | {"metrics": {"cpuPercent": 97}}, ["spec.metrics.cpuPercent", "string"]),
    ("too many metrics", POD | {"metrics": {f"m{n}": "1" for n in range(33)}}, ["spec.metrics", "32"]),
    ("approval without a decision", POD | {"approval": {"by": "alice"}}, ["spec.approval.decision", "Required"]),
    (
        "taken over without a name",
        POD | {"acknowledged": {"by": ""}},
        ["spec.acknowledged.by", "must name the user who takes over"],
    ),
    ("taken over at some time", POD | {"acknowledged": {"by": "a", "at": "noon"}}, ["spec.acknowledged.at"]),
    ("undecided approval", POD | {"approval": {"decision": "Maybe"}}, ["spec.approval.decision", '"Approved"']),
    ("suspended by a word", POD | {"suspend": "yes"}, ["spec.suspend", "boolean"]),
]
BAD_POLICIES = [
    ("unknown mode", {"mode": "Repair"}, ["spec.mode", '"Observe"']),
    ("unknown cause", {"causes": ["oom"]}, ["spec.causes[0]", '"pod_oom_killed"']),
    ("unknown action", {"actions": ["Rollback"]}, ["spec.actions[0]", '"RestoreTemplate"']),
    ("same action twice", {"actions": ["SetMemory", "SetMemory"]}, ["spec.actions[1]", "Duplicate"]),
    ("grace without a unit", {"grace": "10"}, ["spec.grace must be a duration"]),
    ("grace as a number", {"grace": 10}, ["spec.grace", "string"]),
    ("empty grace", {"grace": ""}, ["spec.grace must be a duration"]),
    ("units in the wrong order", {"grace": "30s2m"}, ["spec.grace must be a duration"]),
    ("grace of days", {"grace": "2d"}, ["spec.grace must be a duration from 0s to 1h"]),
    ("grace of two hours", {"grace": "2h"}, ["spec.grace must be a duration from 0s to 1h"]),
    ("cooldown in words", {"cooldown": "5 minutes"}, ["spec.cooldown must be a duration"]),
    (
        "memory that is no quantity",
        {"limits": {"memoryMax": "plenty"}},
        ["spec.limits.memoryMax must be a memory quantity"],
    ),
    ("memory in thousandths", {"limits": {"memoryMax": "256m"}}, ["spec.limits.memoryMax", "at least 1Mi"]),
    ("memory without a unit", {"limits": {"memoryMax": 256}}, ["spec.limits.memoryMax", "at least 1Mi"]),
    ("negative memory", {"limits": {"memoryMinStep": "-64Mi"}}, ["spec.limits.memoryMinStep", "at least 1Mi"]),
    (
        "step above the maximum",
        {"limits": {"memoryMinStep": "1Gi", "memoryMax": "512Mi"}},
        ["spec.limits.memoryMinStep must not be more than spec.limits.memoryMax"],
    ),
    ("factor of one", {"limits": {"memoryFactor": 1}}, ["spec.limits.memoryFactor", "greater than 1"]),
    ("factor above four", {"limits": {"memoryFactor": 4.5}}, ["spec.limits.memoryFactor", "less than or equal to 4"]),
    ("no attempts", {"limits": {"attempts": 0}}, ["spec.limits.attempts", "greater than or equal to 1"]),
    ("half a replica", {"limits": {"replicasMax": 1.5}}, ["spec.limits.replicasMax", "integer"]),
    ("negative budget", {"budgets": {"perHourPerWorkload": -1}}, ["spec.budgets.perHourPerWorkload", "greater than"]),
    (
        "budget that can never be spent",
        {"budgets": {"perHourPerWorkload": 40, "perHourPerNamespace": 30}},
        ["spec.budgets.perHourPerWorkload must not be more than spec.budgets.perHourPerNamespace"],
    ),
    ("more than all", {"budgets": {"minimumHealthyPercent": 101}}, ["spec.budgets.minimumHealthyPercent", "100"]),
    ("less than none", {"budgets": {"minimumHealthyPercent": -1}}, ["spec.budgets.minimumHealthyPercent", "0"]),
    ("unknown approval rule", {"approval": {"when": "Sometimes"}}, ["spec.approval.when", '"Never"']),
    (
        "approval for nothing",
        {"approval": {"when": "ByActionOrSeverity", "actions": []}},
        ["spec.approval.when", "no approval would ever be required"],
    ),
    (
        "always, but only for some",
        {"approval": {"when": "Always", "severities": ["Critical"]}},
        ["spec.approval.severities count only with spec.approval.when ByActionOrSeverity"],
    ),
    (
        "actions without when",
        {"approval": {"actions": ["SetMemory"]}},
        ["spec.approval.actions", "count only with spec.approval.when"],
    ),
    (
        "approval in a hurry",
        {"approval": {"timeout": "59s"}},
        ["spec.approval.timeout must be a duration of at least 1m"],
    ),
    (
        "approval in no days",
        {"approval": {"timeout": "0d"}},
        ["spec.approval.timeout must be a duration of at least 1m"],
    ),
    ("timeout too short", {"verification": {"timeout": "9s"}}, ["spec.verification.timeout", "from 10s"]),
    ("no window", {"verification": {"window": "0s"}}, ["spec.verification.window", "from 1s"]),
    ("huge window", {"verification": {"window": "999999h"}}, ["spec.verification.window", "from 1s to 1h"]),
    (
        "check without a threshold",
        {"verification": {"checks": [{"name": "a", "query": "up"}]}},
        ["spec.verification.checks[0].threshold", "Required"],
    ),
    (
        "unknown operator",
        {"verification": {"checks": [CHECK | {"operator": "=<"}]}},
        ["spec.verification.checks[0].operator", '"<="'],
    ),
    (
        "two checks of one name",
        {"verification": {"checks": [CHECK, CHECK]}},
        ["spec.verification.checks[1]", "Duplicate"],
    ),
    (
        "maintenance at 25 o'clock",
        {"maintenanceWindows": [{"start": "25:00", "end": "05:00"}]},
        ["spec.maintenanceWindows[0].start", "HH:MM"],
    ),
    (
        "maintenance without a colon",
        {"maintenanceWindows": [{"start": "02:00", "end": "0500"}]},
        ["spec.maintenanceWindows[0].end", "HH:MM"],
    ),
    (
        "maintenance of no length",
        {"maintenanceWindows": [{"start": "02:00", "end": "02:00"}]},
        ["spec.maintenanceWindows[0].end", "must differ from its start"],
    ),
    (
        "maintenance on a long day",
        {"maintenanceWindows": [{"days": ["Saturday"], "start": "02:00", "end": "05:00"}]},
        ["spec.maintenanceWindows[0].days[0]", '"Sat"'],
    ),
    (
        "channel that is an address",
        {"escalation": {"channels": ["https://chat.example.org/x"]}},
        ["spec.escalation.channels[0]", "name of a Secret"],
    ),
    (
        "level without a time",
        {"escalation": {"levels": [{"channels": ["pager"]}]}},
        ["spec.escalation.levels[0].after", "Required"],
    ),
    (
        "level after a while",
        {"escalation": {"levels": [{"after": "soon", "channels": ["pager"]}]}},
        ["spec.escalation.levels[0].after", "must be a duration such as 15m"],
    ),
    (
        "level without channels",
        {"escalation": {"levels": [{"after": "15m", "channels": []}]}},
        ["spec.escalation.levels[0].channels"],
    ),
    (
        "level of another namespace",
        {"escalation": {"levels": [{"after": "15m", "channels": ["other/pager"]}]}},
        ["spec.escalation.levels[0].channels[0]", "name of a Secret"],
    ),
    ("ticket at an address", {"escalation": {"ticket": "https://j"}}, ["spec.escalation.ticket", "name of a Secret"]),
    (
        "quiet hours of no length",
        {"escalation": {"quietHours": [{"start": "22:00", "end": "22:00"}]}},
        ["spec.escalation.quietHours[0].end", "must differ from their start"],
    ),
    (
        "quiet at noon o'clock",
        {"escalation": {"quietHours": [{"start": "noon", "end": "13:00"}]}},
        ["spec.escalation.quietHours[0].start", "HH:MM"],
    ),
    ("unknown GitOps rule", {"gitOps": "Fight"}, ["spec.gitOps", '"Escalate"']),
    ("unknown rollback rule", {"rollback": "Forbid"}, ["spec.rollback", '"Freeze"']),
]
BAD_HERE_ONLY = [
    ("selector of everything", {"selector": {"matchLabels": {}}}, ["spec.selector", "at least one label"]),
    # The server drops matchExpressions, which we do not know; what is left must not select everything.
    (
        "selector by expressions",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        ["spec.selector", "at least one label"],
    ),
    ("budget of the cluster", {"budgets": {"concurrentPerCluster": 9}}, ["spec.budgets.concurrentPerCluster"]),
    ("hourly budget of the cluster", {"budgets": {"perHourPerCluster": 9}}, ["spec.budgets.perHourPerCluster"]),
]


def an_alert_rule(*patterns, **values):
    return {"alerts": {"rules": [{"name": "own", "alertname": pattern, **values} for pattern in patterns]}}


BAD_THERE_ONLY = [
    ("selector of everything", {"namespaceSelector": {}}, ["spec.namespaceSelector", "at least one label"]),
    (
        "namespace above cluster",
        {"budgets": {"concurrentPerNamespace": 9, "concurrentPerCluster": 8}},
        ["spec.budgets.concurrentPerNamespace must not be more than spec.budgets.concurrentPerCluster"],
    ),
    (
        "namespace above cluster by the hour",
        {"budgets": {"perHourPerNamespace": 9, "perHourPerCluster": 8}},
        ["spec.budgets.perHourPerNamespace must not be more than spec.budgets.perHourPerCluster"],
    ),
    ("alert rule without a name", {"alerts": {"rules": [{"alertname": "A"}]}}, ["spec.alerts.rules[0].name"]),
    ("two alert rules of one name", an_alert_rule("A", "B"), ["spec.alerts.rules[1]", "Duplicate"]),
    ("alert pattern that is none", an_alert_rule("Kube("), ["spec.alerts.rules[0].alertname"]),
    ("alert pattern that repeats groups", an_alert_rule("(a+)+"), ["must not repeat groups"]),
    ("alert pattern that repeats a lot", an_alert_rule("a*b*c*d*e*"), ["nor repeat more than four times"]),
    ("alert of an unknown type", an_alert_rule("A", type="Slow"), ["spec.alerts.rules[0].type", '"HighCPU"']),
    ("alert handled in an unknown way", an_alert_rule("A", handling="Fix"), ["spec.alerts.rules[0].handling"]),
    (
        "alert channel that is an address",
        {"alerts": {"channels": ["https://chat"]}},
        ["spec.alerts.channels[0]", "name of a Secret"],
    ),
    (
        "alert rule's channel of another namespace",
        an_alert_rule("A", channels=["other/chat"]),
        ["spec.alerts.rules[0].channels[0]", "name of a Secret"],
    ),
    ("alert ticket at an address", {"alerts": {"ticket": "https://j"}}, ["spec.alerts.ticket", "name of a Secret"]),
    ("alert window of days", {"alerts": {"window": "25h"}}, ["spec.alerts.window", "0s to 24h"]),
    ("alerts always silenced", {"alerts": {"silence": "Always"}}, ["spec.alerts.silence", '"Never"']),
]
BAD = [
    pytest.param(kind, spec, words, id=f"{kind}: {name}")
    for kind, table in (
        ("Incident", BAD_INCIDENTS),
        ("HealingPolicy", BAD_POLICIES + BAD_HERE_ONLY),
        ("ClusterHealingPolicy", BAD_POLICIES + BAD_THERE_ONLY),
    )
    for name, spec, words in table
]


@pytest.mark.parametrize(("kind", "spec", "words"), BAD)
def test_refused_in_words_that_name_the_field(create, kind, spec, words):
    message = create(kind, spec).refusal
    assert [word for word in words if word not in message] == [], message
    assert "rule evaluation error" not in message


def test_unparseable_json_is_refused(server, namespace):
    assert "json parse error" in server("POST", path_of("Incident", namespace), '{"spec": {').refusal


UNKNOWN = [
    pytest.param("Incident", POD | {"containr": "a"}, "spec.containr", id="Incident: misspelt container"),
    pytest.param(
        "Incident", POD | {"approval": {"decision": "Approved", "who": "a"}}, "spec.approval.who", id="nested"
    ),
    pytest.param("HealingPolicy", {"limits": {"memory": "1Gi"}}, "spec.limits.memory", id="HealingPolicy: limit"),
    pytest.param("ClusterHealingPolicy", {"selector": {}}, "spec.selector", id="ClusterHealingPolicy: selector"),
]


@pytest.mark.parametrize(("kind", "spec", "field"), UNKNOWN)
def test_unknown_fields_are_refused_when_strict(create, kind, spec, field):
    assert f'unknown field "{field}"' in create(kind, spec, fieldValidation="Strict").refusal


OTHER_SUBJECTS = [
    pytest.param({"target": {"name": "cart"}}, "spec.target cannot change", id="another name"),
    pytest.param({"target": {"kind": "DaemonSet"}}, "spec.target cannot change", id="another kind"),
    pytest.param({"target": None, "podName": "a"}, "spec.podName cannot change", id="a pod instead"),
    pytest.param({"containerName": "other"}, "spec.containerName cannot change", id="another container"),
    pytest.param({"containerName": None}, "spec.containerName cannot change", id="no container"),
    pytest.param({"type": "HighCPU"}, "spec.type cannot change", id="another type"),
]


@pytest.mark.parametrize(("change", "words"), OTHER_SUBJECTS)
def test_what_an_incident_is_about_cannot_change(opened, change, words):
    _, patch = opened
    assert words in patch(change).refusal


def test_a_container_cannot_be_added_later(server, namespace, create):
    name = create("Incident", TARGETED, dry_run=False).ok()["metadata"]["name"]
    answer = server("PATCH", f"{path_of('Incident', namespace)}/{name}", {"spec": {"containerName": "a"}}, MERGE)
    assert "spec.containerName cannot change" in answer.refusal


def test_what_people_know_and_want_can_change(opened):
    _, patch = opened
    spec = patch({"suspend": True, "severity": "Low", "description": "known"}).ok()["spec"]
    assert (spec["suspend"], spec["severity"]) == (True, "Low")


@pytest.mark.parametrize(("mode", "other"), [("Heal", "DryRun"), ("DryRun", "Heal"), ("DryRun", None)])
def test_how_far_prunella_goes_cannot_change(server, namespace, create, mode, other):
    name = create("Incident", TARGETED | {"mode": mode}, dry_run=False).ok()["metadata"]["name"]
    answer = server("PATCH", f"{path_of('Incident', namespace)}/{name}", {"spec": {"mode": other}}, MERGE)
    assert "spec.mode cannot change after creation" in answer.refusal


@pytest.mark.parametrize(("first", "second"), [("Approved", "Rejected"), ("Rejected", "Approved")])
def test_a_decision_stands(opened, first, second):
    _, patch = opened
    patch({"approval": {"decision": first, "by": "alice@example.org"}}).ok()
    assert (
        f"spec.approval.decision is already {first} and is final"
        in patch({"approval": {"decision": second, "by": "alice@example.org"}}).refusal
    )
    assert "is final" in patch({"approval": None}).refusal
    patch({"approval": {"decision": first, "reason": "said twice is fine"}}).ok()


def test_another_person_may_answer_otherwise(opened):
    """The policy's approvers decide whose answer counts: one that does not must not lock others out."""
    _, patch = opened
    patch({"approval": {"decision": "Rejected", "by": "mallory@example.org"}}).ok()
    answer = {"decision": "Approved", "by": "bob@example.org", "groups": ["sre"]}
    assert patch({"approval": answer}).ok()["spec"]["approval"] == answer


@pytest.mark.parametrize("phase", sorted(phase.value for phase in Phase))
def test_it_is_too_late_for_an_answer_to_a_closed_incident(opened, kube, phase):
    incident, patch = opened
    path = f"{GROUP}/namespaces/{incident['metadata']['namespace']}/incidents/{incident['metadata']['name']}/status"
    kube.merge_patch(path, {"status": {"phase": phase}})
    answer = patch({"approval": {"decision": "Approved", "by": "alice@example.org"}})
    if Phase(phase).closed:
        assert f"too late, the incident is closed ({phase})" in answer.refusal
        patch({"suspend": True}).ok()
    else:
        answer.ok()


GOOD_INCIDENTS = [
    pytest.param(TARGETED, id="target"),
    pytest.param(POD, id="pod"),
    pytest.param(TARGETED | {"containerName": "server"}, id="target and container"),
    pytest.param(POD | {"containerName": "server"}, id="pod and container"),
    pytest.param({"type": "Other", "target": {"apiVersion": "batch/v1", "kind": "Job", "name": "a"}}, id="job"),
    pytest.param(
        {"type": "Other", "target": {"apiVersion": "batch/v1", "kind": "CronJob", "name": "a"}}, id="cron job"
    ),
    pytest.param({"type": "Other", "target": {"apiVersion": "v1", "kind": "Pod", "name": "a"}}, id="bare pod"),
    pytest.param({"type": "Other", "target": {"kind": "StatefulSet", "name": "a.b-c"}}, id="dotted name"),
    pytest.param(POD | {"metrics": {"cpuPercent": "97"}, "description": "ü" * 4096}, id="everything at its longest"),
    pytest.param(POD | {"approval": {"decision": "Approved"}}, id="approved in advance"),
]


@pytest.mark.parametrize("spec", GOOD_INCIDENTS)
def test_good_incidents_get_their_defaults(create, spec):
    stored = create("Incident", spec, fieldValidation="Strict").ok()["spec"]
    assert (stored["severity"], stored["mode"], stored["suspend"]) == ("High", "Heal", False)
    assert IncidentSpec.model_validate(stored) == IncidentSpec.model_validate(spec)


def test_the_api_version_of_a_target_is_filled_in(create):
    assert create("Incident", TARGETED).ok()["spec"]["target"]["apiVersion"] == "apps/v1"


GOOD_POLICIES = [
    pytest.param({}, id="empty"),
    pytest.param({"grace": "0s", "cooldown": "0s"}, id="at once"),
    pytest.param({"grace": "1h", "verification": {"window": "1h", "timeout": "6h"}}, id="patient"),
    pytest.param({"grace": "2m30s", "cooldown": "1d12h", "approval": {"timeout": "1m"}}, id="composed durations"),
    pytest.param({"approval": {"timeout": "30d"}}, id="a month to answer"),
    pytest.param({"limits": {"memoryMax": 268435456, "memoryMinStep": "268435456"}}, id="memory in bytes"),
    pytest.param(
        {"limits": {"memoryMax": "0.5Gi", "memoryMinStep": "1e8", "memoryFactor": 1.01}}, id="memory in fractions"
    ),
    pytest.param({"limits": {"memoryMinStep": "64Mi", "memoryMax": "64Mi"}}, id="step equal to the maximum"),
    pytest.param({"approval": {"when": "ByActionOrSeverity", "severities": ["Critical"]}}, id="approval by severity"),
    pytest.param({"approval": {"when": "Always", "actions": []}}, id="always, for no list"),
    pytest.param({"maintenanceWindows": [{"days": ["Sat"], "start": "22:00", "end": "04:00"}]}, id="past midnight"),
    pytest.param({"verification": {"checks": [CHECK, CHECK | {"name": "b", "operator": ">"}]}}, id="two checks"),
]


@pytest.mark.parametrize("kind", ["HealingPolicy", "ClusterHealingPolicy"])
@pytest.mark.parametrize("spec", GOOD_POLICIES)
def test_good_policies_mean_the_same_to_the_models(create, kind, spec):
    stored = create(kind, spec, fieldValidation="Strict").ok()["spec"]
    assert PolicySpec.model_validate(stored) == PolicySpec.model_validate(spec)


GOOD_ALERTS = [
    pytest.param(an_alert_rule("Kube(Pod|Node).*", "Checkout[A-Z]\\w+", ".*"), id="patterns"),
    pytest.param({"alerts": {"channels": ["chat"], "ticket": "", "window": "0s", "silence": "Never"}}, id="all else"),
    pytest.param(
        an_alert_rule(
            "A",
            type="HighCPU",
            severity="Critical",
            handling="Heal",
            channels=["chat"],
            labels={"namespace": "n", "pod": "p", "container": "c", "workload": "w", "workloadType": "t"},
        ),
        id="a whole rule",
    ),
]


@pytest.mark.parametrize("spec", GOOD_ALERTS)
def test_good_rules_for_alerts_mean_the_same_to_the_model(create, spec):
    for number, rule in enumerate(spec["alerts"].get("rules", [])):
        rule["name"] = f"rule-{number}"
    stored = create("ClusterHealingPolicy", spec, fieldValidation="Strict").ok()["spec"]
    assert ClusterHealingPolicySpec.model_validate(stored) == ClusterHealingPolicySpec.model_validate(spec)


def test_policies_get_no_defaults(create):
    """A field that is not set must stay unset, or it would override less specific policies."""
    assert create("HealingPolicy", {"limits": {}}).ok()["spec"] == {"limits": {}}


def test_the_built_in_values_are_a_valid_policy(create):
    stored = create("ClusterHealingPolicy", BUILT_IN.to_object(), fieldValidation="Strict").ok()["spec"]
    assert PolicySpec.model_validate(stored) == BUILT_IN


def test_an_operator_is_filled_in(create):
    stored = create("HealingPolicy", {"verification": {"checks": [CHECK]}}).ok()["spec"]
    assert stored["verification"]["checks"][0]["operator"] == "<="


FULL_STATUS = IncidentStatus(
    phase=Phase.HEALED,
    reason="Healed",
    message="rolled back to revision 3; healthy for 15s",
    observed_generation=1,
    conditions=(
        Condition(type="Diagnosed", status="True", reason="BadRelease", last_transition_time=NOW),
        Condition(type="Succeeded", status="True", reason="Healed", observed_generation=1, last_transition_time=NOW),
    ),
    target="Deployment/checkout",
    root_cause="bad_release",
    confidence="0.95",
    action="roll back to revision 3",
    healed_in="42s",
    fault="container server exited with code 1",
    evidence=(EvidenceNote(source="Pod/a", message="exit code 1"), EvidenceNote(source="Pod/b", message="exit code 1")),
    guards=(GuardNote(name="GitOps", held=False, reason="Passed"), GuardNote(name="Budget", held=True, reason="Spent")),
    attempts=(
        Attempt(
            number=1,
            action_id="incident-1/1",
            action="roll back to revision 3",
            target="Deployment/checkout",
            parameters={"to": "revision 3"},
            diff="-image: a\n+image: b\n" * 2000,
            started_at=NOW,
            written_at=NOW + timedelta(seconds=1),
            finished_at=NOW + timedelta(seconds=20),
            verdict="Healed",
            message="all replicas available",
        ),
    ),
    plan="1. roll back to revision 3",
    diff="-image: a\n+image: b\n",
    next_step="nothing to do",
    workflow=WorkflowLink(id="incident-1", run_id="r1"),
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    times=Times(fault_at=NOW, detected_at=NOW, closed_at=NOW + timedelta(seconds=42)),
    escalation=EscalationNote(reason="NoGoodRevision", message="tried once", next_step="look", at=NOW),
)


def write_status(server, incident, status: IncidentStatus) -> Answer:
    """As the operator writes it: server-side apply on the status subresource."""
    where = incident["metadata"]
    body = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": where["name"], "namespace": where["namespace"]},
        "status": status.to_object(),
    }
    path = f"{path_of('Incident', where['namespace'])}/{where['name']}/status"
    return server("PATCH", path, body, APPLY, fieldManager="prunella", force="true", fieldValidation="Strict")


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(IncidentStatus(), id="first visit"),
        pytest.param(FULL_STATUS, id="everything"),
        *[pytest.param(IncidentStatus(phase=phase), id=f"phase {phase}") for phase in Phase],
    ],
)
def test_every_status_the_models_can_write_is_kept_as_it_is(server, opened, status):
    incident, _ = opened
    stored = write_status(server, incident, status).ok()
    assert IncidentStatus.model_validate(stored["status"]) == status


def test_a_shorter_status_replaces_a_longer_one(server, opened):
    """Fields that the writer omits must go, conditions included."""
    incident, _ = opened
    write_status(server, incident, FULL_STATUS).ok()
    stored = write_status(server, incident, IncidentStatus()).ok()["status"]
    assert IncidentStatus.model_validate(stored) == IncidentStatus()


def test_spec_and_status_have_different_writers(server, opened):
    incident, patch = opened
    write_status(server, incident, FULL_STATUS).ok()
    path = f"{path_of('Incident', incident['metadata']['namespace'])}/{incident['metadata']['name']}"
    answer = server("PATCH", path, {"status": {"phase": "Failed"}}, MERGE).ok()
    assert answer["status"]["phase"] == "Healed"
    assert patch({"suspend": True}).ok()["metadata"]["generation"] == incident["metadata"]["generation"] + 1


def test_field_selectors_find_incidents(server, namespace, create):
    ours = create("Incident", TARGETED | {"severity": "Low", "type": "HighMemory"}, dry_run=False).ok()
    create("Incident", POD | {"severity": "Low", "type": "HighMemory"}, dry_run=False).ok()
    write_status(server, ours, FULL_STATUS).ok()

    def found(selector):
        items = server("GET", path_of("Incident", namespace), fieldSelector=selector).ok()["items"]
        return {item["metadata"]["name"] for item in items}

    name = ours["metadata"]["name"]
    assert len(found("spec.type=HighMemory")) == 2
    assert found("spec.type=HighMemory,spec.target.name=checkout") == {name}
    assert found("status.phase=Healed,spec.severity=Low") == {name}
    assert found("spec.type=HighMemory,status.phase!=Healed") == found("spec.type=HighMemory") - {name}


def test_the_table_that_kubectl_prints(server, opened):
    incident, _ = opened
    write_status(server, incident, FULL_STATUS).ok()
    where = incident["metadata"]
    path = f"{path_of('Incident', where['namespace'])}/{where['name']}"
    table = server("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").ok()
    row = dict(
        zip(
            [columndefinition["name"] for columndefinition in table["columnDefinitions"]],
            table["rows"][0]["cells"],
            strict=True,
        )
    )
    assert row.pop("Age")
    assert row.pop("Detected").endswith(("d", "h", "y"))  # a fraction of a second is no obstacle
    assert row == {
        "Name": where["name"],
        "Phase": "Healed",
        "Cause": "bad_release",
        "Target": "Deployment/checkout",
        "Action": "roll back to revision 3",
        "Severity": "High",
        "Healed-In": "42s",
        "Workflow": "incident-1",
        "Trace": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


def test_every_field_can_be_explained(server, crds):
    """`kubectl explain` reads this document."""

    def schemas():
        found = server("GET", "/openapi/v3/apis/prunella.dev/v1alpha1")
        return found.body.get("components", {}).get("schemas", {}) if found.code == 200 else {}

    names = {f"dev.prunella.v1alpha1.{kind}" for kind in PLURALS}
    until(lambda: names <= schemas().keys())

    def silent(node, path):
        own = [] if node.get("description") or path.count(".") == 0 else [path]
        below = [*node.get("properties", {}).items(), *(("[]", node[key]) for key in ("items",) if key in node)]
        return own + [field for name, child in below for field in silent(child, f"{path}.{name}")]

    assert [field for name in names for field in silent(schemas()[name], name.rpartition(".")[2])] == []


@pytest.fixture
def kubectl(kubeconfig):
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")

    def command(*arguments):
        # A client that is more than one version away from the server says so: that is no concern of these tests.
        return [program, "--kubeconfig", str(kubeconfig), *arguments]

    return command


def test_kubectl_explains(crds, kubectl):
    command = kubectl("explain", "inc.spec.approval.decision")
    text = " ".join(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    assert "Approved lets the repair proceed" in text


@pytest.mark.parametrize(
    "condition",
    [pytest.param("condition=Succeeded", id="condition"), pytest.param("jsonpath={.status.phase}=Healed", id="phase")],
)
def test_kubectl_waits_for_the_end(server, opened, kubectl, condition):
    incident, _ = opened
    opening = Condition(type="Succeeded", status="Unknown", reason="Open", last_transition_time=NOW)
    write_status(server, incident, IncidentStatus(conditions=(opening,))).ok()
    where = incident["metadata"]
    command = kubectl("wait", f"--for={condition}", "--timeout=20s", "-n", where["namespace"], f"inc/{where['name']}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as waiting:
        time.sleep(1)
        assert waiting.poll() is None, "must wait while the incident is open"
        write_status(server, incident, FULL_STATUS).ok()
        said, _ = waiting.communicate(timeout=25)
    assert (waiting.returncode, "condition met" in said) == (0, True), said


def test_short_names_and_the_category_work(crds, namespace, opened, kubectl):
    name = opened[0]["metadata"]["name"]
    for word in ("inc", "incident", "prunella"):
        command = kubectl("get", word, "-n", namespace, "-o", "name")
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        assert f"incident.prunella.dev/{name}" in done.stdout.splitlines()
