"""Specs that the API server refuses, and the words that name the field.

One case of each kind of constraint that the models generate (required, enum, pattern, bound), and every written rule.
"""

import pytest
from support.crds import POD, TARGETED, an_alert_rule, path_of

pytestmark = pytest.mark.integration

BAD_INCIDENTS = [
    ("no type", {"podName": "a"}, ["spec.type", "Required"]),
    ("unknown type", TARGETED | {"type": "Tired"}, ["spec.type", '"PodCrashLoop"']),
    ("neither target nor pod", {"type": "OOMKilled"}, ["exactly one of spec.target", "spec.podName"]),
    ("both target and pod", TARGETED | POD, ["exactly one of spec.target", "spec.podName"]),
    ("target without name", {"type": "Other", "target": {"kind": "Deployment"}}, ["spec.target.name", "Required"]),
    (
        "job of another API group",
        {"type": "Other", "target": {"kind": "Job", "name": "a"}},
        ["spec.target.apiVersion must be batch/v1 for kind Job"],
    ),
    (
        "target name that no object can have",
        {"type": "Other", "target": {"kind": "Deployment", "name": "deployment/checkout"}},
        ["spec.target.name must be the name of an object"],
    ),
    ("pod name in capitals", {"type": "Other", "podName": "Checkout"}, ["spec.podName must be the name of a pod"]),
    (
        "container name with a dot",
        POD | {"containerName": "a.b"},
        ["spec.containerName must be the name of a container"],
    ),
    ("endless description", POD | {"description": "a" * 4097}, ["spec.description", "4096"]),
    ("metric that is a number", POD | {"metrics": {"cpuPercent": 97}}, ["spec.metrics.cpuPercent", "string"]),
    (
        "taken over without a name",
        POD | {"acknowledged": {"by": ""}},
        ["spec.acknowledged.by", "must name the user who takes over"],
    ),
]
BAD_POLICIES = [
    ("unknown cause", {"causes": ["oom"]}, ["spec.causes[0]", '"pod_oom_killed"']),
    ("grace without a unit", {"grace": "10"}, ["spec.grace must be a duration"]),
    ("grace of two hours", {"grace": "2h"}, ["spec.grace must be a duration from 0s to 1h"]),
    (
        "memory that is no quantity",
        {"limits": {"memoryMax": "plenty"}},
        ["spec.limits.memoryMax must be a memory quantity"],
    ),
    ("memory in thousandths", {"limits": {"memoryMax": "256m"}}, ["spec.limits.memoryMax", "at least 1Mi"]),
    (
        "step above the maximum",
        {"limits": {"memoryMinStep": "1Gi", "memoryMax": "512Mi"}},
        ["spec.limits.memoryMinStep must not be more than spec.limits.memoryMax"],
    ),
    ("factor of one", {"limits": {"memoryFactor": 1}}, ["spec.limits.memoryFactor", "greater than 1"]),
    ("half a replica", {"limits": {"replicasMax": 1.5}}, ["spec.limits.replicasMax", "integer"]),
    (
        "budget that can never be spent",
        {"budgets": {"perHourPerWorkload": 40, "perHourPerNamespace": 30}},
        ["spec.budgets.perHourPerWorkload must not be more than spec.budgets.perHourPerNamespace"],
    ),
    ("more than all", {"budgets": {"minimumHealthyPercent": 101}}, ["spec.budgets.minimumHealthyPercent", "100"]),
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
    ("timeout too short", {"verification": {"timeout": "9s"}}, ["spec.verification.timeout", "from 10s"]),
    ("huge window", {"verification": {"window": "999999h"}}, ["spec.verification.window", "from 1s to 1h"]),
    (
        "maintenance at 25 o'clock",
        {"maintenanceWindows": [{"start": "25:00", "end": "05:00"}]},
        ["spec.maintenanceWindows[0].start", "HH:MM"],
    ),
    (
        "maintenance of no length",
        {"maintenanceWindows": [{"start": "02:00", "end": "02:00"}]},
        ["spec.maintenanceWindows[0].end", "must differ from its start"],
    ),
    (
        "zone that is an offset",
        {"maintenanceWindows": [{"start": "02:00", "end": "03:00", "timeZone": "+02:00"}]},
        ["spec.maintenanceWindows[0].timeZone", "such as Europe/Berlin"],
    ),
    (
        "channel that is an address",
        {"escalation": {"channels": ["https://chat.example.org/x"]}},
        ["spec.escalation.channels[0]", "name of a Secret"],
    ),
    (
        "level after a while",
        {"escalation": {"levels": [{"after": "soon", "channels": ["pager"]}]}},
        ["spec.escalation.levels[0].after", "must be a duration such as 15m"],
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
]
BAD_HERE_ONLY = [
    ("selector of everything", {"selector": {"matchLabels": {}}}, ["spec.selector", "at least one label"]),
    ("selector of no expression", {"selector": {"matchExpressions": []}}, ["spec.selector", "at least one label"]),
    (
        "expression without values",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        ["spec.selector.matchExpressions[0].values", "needed for In and NotIn"],
    ),
    (
        "expression with needless values",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        ["spec.selector.matchExpressions[0].values", "only for them"],
    ),
    (
        "unknown operator",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}},
        ["spec.selector.matchExpressions[0].operator", '"DoesNotExist"'],
    ),
    ("budget of the cluster", {"budgets": {"concurrentPerCluster": 9}}, ["spec.budgets.concurrentPerCluster"]),
    ("hourly budget of the cluster", {"budgets": {"perHourPerCluster": 9}}, ["spec.budgets.perHourPerCluster"]),
]

BAD_THERE_ONLY = [
    ("selector of everything", {"namespaceSelector": {}}, ["spec.namespaceSelector", "at least one label"]),
    (
        "expression without values",
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "NotIn"}]}},
        ["spec.namespaceSelector.matchExpressions[0].values", "needed for In and NotIn"],
    ),
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
    ("alert pattern that is none", an_alert_rule("Kube("), ["spec.alerts.rules[0].alertname"]),
    ("alert pattern that repeats groups", an_alert_rule("(a+)+"), ["must not repeat groups"]),
    ("alert pattern that repeats a lot", an_alert_rule("a*b*c*d*e*"), ["nor repeat more than four times"]),
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
