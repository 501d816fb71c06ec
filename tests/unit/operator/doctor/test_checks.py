"""`prunella doctor`: all checks pass on a healthy installation, and each failure says how to fix it."""

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from fakes.metrics import FakeSource

from prunella_operator.cli.doctor import print_checks
from prunella_operator.cli.output import ListFormat
from prunella_operator.config.crds import crds
from prunella_operator.config.settings import Settings
from prunella_operator.doctor.checks import Check, check_clock, find_difference, run_checks
from prunella_operator.doctor.permissions import RECORDS, RULES
from prunella_workflows.model.errors import Forbidden, NotFound, Unavailable
from prunella_workflows.model.measurement import NoData, Why

SHIPPED = crds()
NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class FakeApi:
    server = "https://api"
    namespace = "default"

    def __init__(self):
        self.installed = {crd["metadata"]["name"]: copy.deepcopy(crd) for crd in SHIPPED}
        self.denied = set()
        self.opted_in = {}
        self.user = "alice"
        self.reviews = []

    def date(self):
        return NOW

    def call(self, method, path, body=None, content_type="application/json", **query):
        if path.endswith("selfsubjectaccessreviews"):
            requested = body["spec"]["resourceAttributes"]
            self.reviews.append(requested)
            allowed = (requested["verb"], requested["resource"]) not in self.denied or self.opted_in.get(
                requested["namespace"]
            )
            return {"status": {"allowed": bool(allowed)}}
        if path.endswith("selfsubjectreviews"):
            return {"status": {"userInfo": {"username": self.user}}}
        if path == "/api/v1/namespaces":
            return {"items": [{"metadata": {"name": name}} for name in self.opted_in]}
        response = self.installed.get(path.rpartition("/")[2])
        if isinstance(response, Exception):
            raise response
        if response is None:
            raise NotFound("no")
        return response


def temporal():
    return "server 1"


def check_all(api, probe=temporal, settings=None, now=NOW):
    return list(run_checks(settings or Settings.load({}), lambda: api, lambda: SHIPPED, probe, lambda: now))


def failed(checks):
    return [check for check in checks if not check.passed]


def test_all_is_well():
    api = FakeApi()
    checks = check_all(api)
    assert failed(checks) == []
    assert {"Kubernetes", "Clock", "CRD incidents.prunella.dev", "Permissions to repair", "Temporal"} <= {
        check.name for check in checks
    }
    assert len(api.reviews) == sum(len(rule.verbs) for rule in (*RULES, RECORDS))


def test_without_an_api_server_temporal_is_still_checked():
    def connect():
        raise Unavailable("refused")

    checks = list(run_checks(Settings.load({}), connect, lambda: SHIPPED, temporal, lambda: NOW))
    assert [(check.name, check.passed) for check in checks] == [
        ("Kubernetes", False),
        ("Temporal", True),
        ("Webhook", True),
        ("Payload keys", True),
    ]
    assert "--kubeconfig" in checks[0].fix


@pytest.mark.parametrize(
    ("installed", "text"),
    [
        (None, "not installed"),
        (Forbidden("may not read"), "may not read"),
        ({"spec": {"versions": [{"name": "v1alpha0", "served": True}]}}, "serves v1alpha0, not v1alpha1"),
    ],
    ids=["missing", "forbidden", "other version"],
)
def test_an_invalid_crd(installed, text):
    api = FakeApi()
    api.installed["incidents.prunella.dev"] = installed
    (check,) = failed(check_all(api))
    assert text in check.message
    assert check.fix


def test_a_crd_of_another_version_is_detected():
    api = FakeApi()
    schema = api.installed["incidents.prunella.dev"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["suspend"]
    (check,) = failed(check_all(api))
    assert "properties.suspend" in check.message
    assert "prunella crds" in check.fix


@pytest.mark.parametrize(
    ("shipped", "installed", "place"),
    [
        ({"a": 1}, {"a": 1, "defaulted": True}, ""),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "spec.a.b[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "spec.a"),
        ({"a": {}}, {}, ""),
        ({"a": False}, {}, ""),
    ],
)
def test_difference_is_the_first_field_missing_from_the_installed_crd(shipped, installed, place):
    assert find_difference(shipped, installed) == place


def test_missing_permissions_are_listed():
    api = FakeApi()
    api.denied = {("patch", "deployments"), ("create", "controllerrevisions")}
    assert {check.name: check.message for check in failed(check_all(api))} == {
        "Permissions to repair": "missing: patch deployments (apps); create controllerrevisions (apps)",
        "Permissions to write snapshots": "missing: create, patch, delete controllerrevisions (apps)",
    }


def test_repairs_need_permission_only_in_namespaces_that_opted_in():
    api = FakeApi()
    api.denied = {("patch", "deployments"), ("delete", "pods")}
    api.opted_in = {"shop": True, "billing": True}
    assert failed(check_all(api)) == []
    api.opted_in["billing"] = False
    check = {check.name: check for check in failed(check_all(api))}["Permissions to repair"]
    assert check.message == "missing: patch deployments (apps); delete pods"
    assert "prunella rbac NAMESPACE" in check.fix


@pytest.mark.parametrize(
    ("name", "areas"),
    [
        ("operator", {"Permissions to write snapshots"}),
        ("worker", {"Permissions to repair"}),
        ("else", {"Permissions to repair", "Permissions to write snapshots"}),
    ],
)
def test_an_account_is_not_checked_for_the_role_of_the_other(name, areas):
    api = FakeApi()
    api.user = f"system:serviceaccount:prunella-system:prunella-{name}"
    assert {"Permissions to repair", "Permissions to write snapshots"} & {
        check.name for check in check_all(api)
    } == areas


@pytest.mark.parametrize(("opted_in", "passed"), [({}, True), ({"shop": True}, True), ({"shop": False}, False)])
def test_an_installation_without_opt_ins_passes(opted_in, passed):
    api = FakeApi()
    api.user = "system:serviceaccount:prunella-system:prunella-worker"
    api.denied, api.opted_in = {("patch", "deployments")}, opted_in
    assert {check.name: check.passed for check in check_all(api)}["Permissions to repair"] is passed


def test_permissions_are_checked_in_the_watched_namespaces():
    api = FakeApi()
    check_all(api, settings=Settings.load({"namespaces": "shop,billing"}))
    requested = {(review["resource"], review["namespace"]) for review in api.reviews}
    assert {("pods", "shop"), ("pods", "billing"), ("nodes", "")} <= requested
    assert ("pods", "") not in requested


def test_leader_election_needs_permission_to_write_the_lease():
    api = FakeApi()
    api.denied = {("create", "leases")}
    settings = Settings.load({"leader_election": True, "leader_lease_namespace": "prunella-system"})
    (check,) = failed(check_all(api, settings=settings))
    assert (check.name, check.message) == (
        "Permissions to lead",
        "missing: get, create, patch leases (coordination.k8s.io)",
    )
    requested = [(review["namespace"], review["name"]) for review in api.reviews if review["resource"] == "leases"]
    assert set(requested) == {("prunella-system", "prunella-operator")}, "the role is for this Lease alone"


@pytest.mark.parametrize(("ahead", "passed"), [(0.5, True), (5, True), (6.5, False), (-4, True), (-6, False)])
def test_the_clocks_may_differ_a_little(ahead, passed):
    assert check_clock(NOW + timedelta(seconds=ahead), NOW).passed is passed


@pytest.mark.parametrize("error", [Unavailable("away"), NotFound("no namespace"), RuntimeError("x"), OSError("y")])
def test_an_unavailable_temporal(error):
    def probe():
        raise error

    (check,) = failed(check_all(FakeApi(), probe))
    assert str(error) in check.message
    assert "namespace create -n default" in check.fix


METRICS_SERVER = "v1beta1"  # the last part of its path
PROMETHEUS = Settings.load({"prometheus_url": "http://prometheus:9090"})


def check_metrics(api, settings=None, metrics=None):
    options = {"metrics": metrics} if metrics else {}
    checks = run_checks(settings or Settings.load({}), lambda: api, lambda: SHIPPED, temporal, lambda: NOW, **options)
    (check,) = (check for check in checks if check.name in {"Prometheus", "Metrics"})
    return check


def test_having_no_metrics_is_allowed_but_reported():
    check = check_metrics(FakeApi())
    assert check.passed
    assert "neither Prometheus nor metrics-server" in check.message


def test_a_metrics_server_that_responds():
    api = FakeApi()
    api.installed[METRICS_SERVER] = {}
    assert check_metrics(api).passed


def test_a_metrics_server_that_does_not():
    api = FakeApi()
    api.installed[METRICS_SERVER] = Unavailable("the server is currently unable to handle the request")
    check = check_metrics(api)
    assert not check.passed
    assert "unable to handle" in check.message
    assert "prometheus_url" in check.fix


@pytest.mark.parametrize(("value", "passed"), [(1, True), (2, False)])
def test_prometheus_evaluates_the_simplest_query(value, passed):
    source = FakeSource({"vector(1)": value})
    check = check_metrics(FakeApi(), PROMETHEUS, source)
    assert (check.name, check.passed) == ("Prometheus", passed)
    assert source.queries == ["vector(1)"]


def test_an_unavailable_prometheus():
    away = NoData(why=Why.REFUSED, message="Prometheus refuses our credentials (401): see prometheus_token_file")
    check = check_metrics(FakeApi(), PROMETHEUS, FakeSource({"vector(1)": away}))
    assert not check.passed
    assert check.message == f"http://prometheus:9090: {away.message}"
    assert "prometheus_ca_file" in check.fix


def test_prometheus_is_checked_without_an_api_server():
    def connect():
        raise Unavailable("refused")

    source = FakeSource({"vector(1)": 1})
    checks = list(run_checks(PROMETHEUS, connect, lambda: SHIPPED, temporal, lambda: NOW, metrics=source))
    assert [check.name for check in checks] == ["Kubernetes", "Prometheus", "Temporal", "Webhook", "Payload keys"]


def test_output_continues_after_a_failure_and_contains_the_fix(capsys):
    checks = [Check("A", passed=False, message="broken", fix="repair it"), Check("B", passed=True, message="fine")]
    assert print_checks(iter(checks), None) is False
    assert capsys.readouterr().out == "FAIL  A: broken\n      fix: repair it\npass  B: fine\n"
    assert print_checks(checks[1:], ListFormat.WIDE) is True
    capsys.readouterr()
    assert print_checks(checks, ListFormat.JSON) is False
    assert [row["passed"] for row in json.loads(capsys.readouterr().out)["items"]] == [False, True]
