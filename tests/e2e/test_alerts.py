"""A real Prometheus rule fires, a real Alertmanager sends it, Prunella repairs, and the alert ends.

Runs first, as every module that starts its own Prunella does: two of them would heal each other's faults.
"""

import asyncio
import json
import secrets
import urllib.request
from types import SimpleNamespace

import pytest
from fakes.httpd import Answer, Httpd
from fakes.mail_server import MailServer
from localcluster.ports import free_ports
from support import monitoring as monitored
from support import samples
from support.api import until
from support.cases.run import CLOSED
from support.deployments import a_deployment, a_namespace
from support.prunella import PrunellaProcess
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator.alerts.webhook import PATH
from prunella_operator.kubernetes import paths
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.model.labels import SOURCE

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.faults, pytest.mark.timeout(600, func_only=True)]

CHANNEL = "e2e-alerts-chat"
STORIES = ("busy", "broken", "calm")
OF_PRICING = 'namespace="%s",pod=~"pricing-.*",container="server"'
BUSY = (
    f"sum(rate(container_cpu_usage_seconds_total{{{OF_PRICING}}}[40s]))"
    f" / count(container_memory_working_set_bytes{{{OF_PRICING}}}) > 0.04"
)


@pytest.fixture(scope="module")
def monitoring(cluster):
    return monitored.start(cluster)


@pytest.fixture(scope="module")
def namespaces(cluster):
    """One namespace for each scenario; healing is allowed in all of them."""
    run = secrets.token_hex(2)
    made = {name: a_namespace(cluster.api, f"e2e-alerts-{name}-{run}-", heal="enabled") for name in STORIES}
    yield {**made, "api": cluster.api}
    for name in made.values():
        cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def chat(cluster, account):
    """A chat that people read, named by a policy for all alerts."""
    here = "/api/v1/namespaces/default/secrets"  # that of the account's kubeconfig
    with Httpd() as server:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": CHANNEL},
            "type": "prunella.dev/channel",
            "stringData": {"url": f"json://127.0.0.1:{server.port}/"},
        }
        policy = {
            "apiVersion": "prunella.dev/v1alpha1",
            "kind": "ClusterHealingPolicy",
            "metadata": {"name": "e2e-alerts"},
            "spec": {"alerts": {"channels": [CHANNEL], "window": "30m"}},
        }
        cluster.api.delete(f"{here}/{CHANNEL}")
        cluster.api.create(here, secret)
        cluster.api.apply(policy)
        yield server
        cluster.api.delete(f"{here}/{CHANNEL}")
        cluster.api.delete(f"{paths.policies()}/e2e-alerts")


@pytest.fixture(scope="module")
def duty(namespaces):
    """The escalation of the policy there: two people by mail, and a ticket system."""
    api, namespace = namespaces["api"], namespaces["broken"]
    with MailServer(password="duty") as mail, Httpd(lambda _asked: Answer(body={"key": "T-1"})) as desk:
        address = f"mailto://bot:duty@127.0.0.1:{mail.port}?mode=insecure&from=bot@example.org&to=%s@example.org"
        _secret(api, namespace, "channel", "ann", url=address % "ann")
        _secret(api, namespace, "channel", "bob", url=address % "bob")
        _secret(api, namespace, "tickets", "desk", type="webhook", url=f"http://127.0.0.1:{desk.port}/", key="k" * 32)
        levels = [{"after": "2s", "channels": ["ann"]}, {"after": "10s", "channels": ["bob"]}]
        api.apply(samples.policy(namespace, escalation={"levels": levels, "ticket": "desk"}))
        yield SimpleNamespace(mails=mail.mails, steps=lambda: [request.json["step"] for request in desk.asked])


def _secret(api, namespace, kind, name, **data):
    secret = {"metadata": {"name": name}, "type": f"prunella.dev/{kind}", "stringData": data}
    api.create(f"/api/v1/namespaces/{namespace}/secrets", secret)


@pytest.fixture(scope="module")
def watching(account, monitoring, namespaces, chat, tmp_path_factory):
    """Prunella, which takes alerts from this Alertmanager with a token and silences there what it repairs."""
    folder = tmp_path_factory.mktemp("prunella-alerts")
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    (port,) = free_ports(1)
    host = str(monitoring.instance.host_address)
    settings = {
        "namespaces": ",".join(namespaces[name] for name in STORIES),
        "prometheus_url": monitoring.prometheus,
        "alertmanager_url": monitoring.alertmanager,
        "webhook_host": host,
        "webhook_port": port,
        "webhook_token_file": token,
    }
    with PrunellaProcess(folder, account.kubeconfig, **settings) as process:
        monitoring.start("--alerts-to", f"http://{host}:{port}{PATH}", "--alerts-token", str(token))
        monitoring.reload()
        yield process


@pytest.fixture(scope="module")
def told(chat):
    """The titles of the notifications about an alert, in order."""

    def told(name):
        return [title for request in chat.asked if name in (title := request.json.get("title", ""))]

    return told


@pytest.fixture(scope="module")
def silences(monitoring):
    """Prunella's silences for an incident of a namespace."""

    def silences(namespace):
        with urllib.request.urlopen(f"{monitoring.alertmanager}/api/v2/silences", timeout=5) as answer:
            found = json.load(answer)
        return [
            item for item in found if item["createdBy"] == "prunella" and f"incident {namespace}/" in item["comment"]
        ]

    return silences


@pytest.fixture(scope="module")
def rules(monitoring):
    """Add alerting rules by name, and end their alerts; the rules are removed afterwards."""
    file, known = monitoring.rules / "e2e-alerts.json", {}

    def write():
        file.write_text(json.dumps({"groups": [{"name": "e2e", "interval": "5s", "rules": list(known.values())}]}))
        monitoring.reload()

    def add(name, expr, **labels):
        known[name] = {
            "alert": name,
            "expr": expr,
            "labels": {"severity": "critical", **labels},
            "annotations": {"summary": f"{name} fires", "runbook_url": "https://runbooks.example.org/e2e"},
        }
        write()

    def end(name):
        """Make the expression false: Prometheus sends nothing about a rule that was removed."""
        known[name]["expr"] = "vector(0) > 1"
        write()

    def ended():
        with urllib.request.urlopen(f"{monitoring.alertmanager}/api/v2/alerts", timeout=5) as answer:
            return not {alert["labels"]["alertname"] for alert in json.load(answer)} & known.keys()

    add.end = end
    yield add
    for name in known:
        end(name)
    until(ended, 60, "no alert is left for the next run", every=1)
    file.unlink(missing_ok=True)
    monitoring.reload()


def closed(api, namespace, seconds=300):
    def incident():
        ended = (item for item in api.incidents(namespace) if (item.get("status") or {}).get("phase") in CLOSED)
        return next(ended, None)

    return until(incident, seconds, f"an incident in {namespace} is closed")


def _escalation(api, namespace, key):
    """The escalation in the status of the namespace's one incident, once it has `key`."""
    (incident,) = api.incidents(namespace)
    note = incident["status"].get("escalation") or {}
    return note.get(key) and note


def handled(process, name):
    """The state of the one handling of an alert, by Temporal itself."""

    async def ask():
        address = f"127.0.0.1:{process.settings['temporal_port']}"
        client = await Client.connect(address, data_converter=pydantic_data_converter)
        async for workflow in client.list_workflows("WorkflowType = 'AlertHandling'"):
            state = await client.get_workflow_handle_for(AlertHandling.run, workflow.id).query(AlertHandling.get_state)
            if state.name == name:
                return state
        return None

    return asyncio.run(ask())


def test_a_busy_workload_is_scaled_out_once_and_its_alert_ends(namespaces, watching, rules, told, silences):
    namespace, api = namespaces["busy"], namespaces["api"]
    api.apply(samples.policy(namespace, verification={"window": "20s", "timeout": "180s"}))
    api.apply(*samples.load("high-cpu", "before.yaml", namespace), *samples.load("high-cpu", "load.yaml", namespace))
    labels = {"namespace": namespace, "deployment": "pricing", "prunella_cause": "high_cpu"}
    rules("PricingBusy", BUSY % (namespace, namespace), **labels)
    incident = closed(api, namespace)
    assert (incident["spec"]["type"], incident["metadata"]["labels"][SOURCE]) == ("HighCPU", "alerts")
    assert (incident["status"]["phase"], incident["status"]["rootCause"]) == ("Healed", "high_cpu"), incident["status"]
    assert (replicas := replicas_of(api, namespace)) > 1
    until(lambda: handled(watching, "PricingBusy").book.repeats, 180, "Alertmanager repeats it", every=2)
    rules.end("PricingBusy")
    state = until(lambda: (found := handled(watching, "PricingBusy")).ended_at and found, 120, "its end", every=2)
    assert (state.outcome, state.round, state.was_silenced) == ("Repaired", 1, True)
    assert (replicas_of(api, namespace), len(api.incidents(namespace))) == (replicas, 1), "a repeat scales nothing out"
    assert [silence["status"]["state"] for silence in silences(namespace)] == ["expired"]
    until(lambda: "Low: PricingBusy is over" in told("PricingBusy"), 60, "people are told of the end")
    assert told("PricingBusy") == [
        "Critical: PricingBusy fires",
        "Low: PricingBusy repaired",
        "Low: PricingBusy is over",
    ]


def test_what_cannot_be_repaired_climbs_until_somebody_comes(namespaces, watching, rules, told, duty):
    namespace, api = namespaces["broken"], namespaces["api"]
    api.apply(a_deployment(namespace, "web", replicas=1, env={"SHOP_REQUIRE_ENV": "NOT_THERE"}))
    rules("WebIsDown", "vector(1)", namespace=namespace, deployment="web", prunella_cause="pod_crash_loop")
    state = until(
        lambda: (found := handled(watching, "WebIsDown")) and found.outcome and found, 300, "an outcome", every=2
    )
    assert state.outcome == "Escalated"
    assert len(api.incidents(namespace)) == 1, "an alert and a pod of the same fault make one incident"
    until(lambda: len(told("WebIsDown")) == 2, 60, "people are told")
    assert told("WebIsDown") == [
        "Critical: WebIsDown fires",
        "Critical: WebIsDown could not be repaired: a person is needed",
    ]
    until(lambda: len(duty.mails) == 2, 60, "both levels are called")
    assert [to for to, _ in duty.mails] == [["ann@example.org"], ["bob@example.org"]]
    assert "No one has acknowledged this" in duty.mails[1][1].get_body(("plain",)).get_content()
    acknowledged = {"spec": {"acknowledged": {"by": "carol@example.org"}}}
    (incident,) = api.incidents(namespace)
    api.patch(paths.incidents(namespace, incident["metadata"]["name"]), acknowledged)
    note = until(lambda: _escalation(api, namespace, "acknowledgedBy"), 60, "the incident is acknowledged")
    assert (note["level"], note["ticket"]["key"], note["acknowledgedBy"]) == (2, "T-1", "carol@example.org")
    assert duty.steps().count("open") == 1


def test_what_is_about_no_workload_is_told_and_nothing_is_opened(namespaces, watching, rules, told):
    name, namespace, api = "KubeNodeNotReady", namespaces["calm"], namespaces["api"]
    rules(name, "vector(1)", node="node-1", namespace=namespace, pod="kube-state-metrics-0")
    state = until(lambda: (found := handled(watching, name)) and found.outcome and found, 120, "an outcome", every=2)
    assert (state.outcome, state.incident, api.incidents(namespace)) == ("Notified", None, [])
    rules.end(name)
    until(lambda: handled(watching, name).ended_at, 120, "its end", every=2)
    until(lambda: len(told(name)) > 1, 60, "people are told")
    assert told(name) == [f"Critical: {name} fires", f"Low: {name} is over"]


def replicas_of(api, namespace):
    return api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/pricing")["spec"]["replicas"]
