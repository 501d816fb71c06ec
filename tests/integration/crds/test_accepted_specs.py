"""Specs that the API server accepts, and that they mean the same to the models."""

import pytest
from support.crds import CHECK, POD, TARGETED, an_alert_rule

from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, PolicySpec

pytestmark = pytest.mark.integration

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
    pytest.param(
        {"maintenanceWindows": [{"start": "22:00", "end": "04:00", "timeZone": "America/Argentina/Buenos_Aires"}]},
        id="by the clock of a zone",
    ),
    pytest.param(
        {"escalation": {"quietHours": [{"start": "22:00", "end": "06:00", "timeZone": "Etc/GMT+5"}]}},
        id="quiet hours of a zone",
    ),
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
