"""`prunella doctor`: every check passes when all is well, and says what to do when not."""

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from fakes.metrics import FakeSource

from prunella_operator.cli.doctor import print_checks
from prunella_operator.config.crds import crds
from prunella_operator.config.settings import Settings
from prunella_operator.doctor.checks import Check, check_clock, find_difference, run_checks
from prunella_operator.doctor.permissions import RULES
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
            asked = body["spec"]["resourceAttributes"]
            self.reviews.append(asked)
            allowed = (asked["verb"], asked["resource"]) not in self.denied or self.opted_in.get(asked["namespace"])
            return {"status": {"allowed": bool(allowed)}}
        if path.endswith("selfsubjectreviews"):
            return {"status": {"userInfo": {"username": self.user}}}
        if path == "/api/v1/namespaces":
            return {"items": [{"metadata": {"name": name}} for name in self.opted_in]}
        found = self.installed.get(path.rpartition("/")[2])
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise NotFound("no")
        return found


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
    assert len(api.reviews) == sum(len(rule.verbs) for rule in RULES)


def test_no_api_server_skips_what_needs_it_but_still_looks_at_temporal():
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
    ("installed", "words"),
    [
        (None, "not installed"),
        (Forbidden("may not read"), "may not read"),
        ({"spec": {"versions": [{"name": "v1alpha0", "served": True}]}}, "serves v1alpha0, not v1alpha1"),
    ],
    ids=["missing", "forbidden", "other version"],
)
def test_a_crd_that_is_not_right(installed, words):
    api = FakeApi()
    api.installed["incidents.prunella.dev"] = installed
    (check,) = failed(check_all(api))
    assert words in check.message
    assert check.fix


def test_a_crd_of_an_older_prunella_is_told_apart():
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
def test_difference_is_what_the_installed_one_lacks(shipped, installed, place):
    assert find_difference(shipped, installed) == place


def test_missing_permissions_are_listed():
    api = FakeApi()
    api.denied = {("patch", "deployments"), ("create", "controllerrevisions")}
    assert {one.name: one.message for one in failed(check_all(api))} == {
        "Permissions to repair": "missing: patch deployments (apps); create controllerrevisions (apps)",
        "Permissions to write snapshots": "missing: create, patch, delete controllerrevisions (apps)",
    }


def test_repairs_need_permission_only_where_they_are_wanted():
    api = FakeApi()
    api.denied = {("patch", "deployments"), ("delete", "pods")}
    api.opted_in = {"shop": True, "billing": True}
    assert failed(check_all(api)) == []
    api.opted_in["billing"] = False
    check = {one.name: one for one in failed(check_all(api))}["Permissions to repair"]
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
def test_an_account_is_not_asked_for_what_only_the_other_one_does(name, areas):
    api = FakeApi()
    api.user = f"system:serviceaccount:prunella-system:prunella-{name}"
    assert {"Permissions to repair", "Permissions to write snapshots"} & {one.name for one in check_all(api)} == areas


@pytest.mark.parametrize(("opted_in", "passed"), [({}, True), ({"shop": True}, True), ({"shop": False}, False)])
def test_an_installation_that_heals_nowhere_yet_is_in_order(opted_in, passed):
    api = FakeApi()
    api.user = "system:serviceaccount:prunella-system:prunella-worker"
    api.denied, api.opted_in = {("patch", "deployments")}, opted_in
    assert {one.name: one.passed for one in check_all(api)}["Permissions to repair"] is passed


def test_permissions_are_asked_for_the_namespaces_that_are_watched():
    api = FakeApi()
    check_all(api, settings=Settings.load({"namespaces": "shop,billing"}))
    asked = {(review["resource"], review["namespace"]) for review in api.reviews}
    assert {("pods", "shop"), ("pods", "billing"), ("nodes", "")} <= asked
    assert ("pods", "") not in asked


def test_who_elects_a_leader_must_be_allowed_to_write_the_lease():
    api = FakeApi()
    api.denied = {("create", "leases")}
    settings = Settings.load({"leader_election": True, "leader_lease_namespace": "prunella-system"})
    (check,) = failed(check_all(api, settings=settings))
    assert (check.name, check.message) == (
        "Permissions to lead",
        "missing: get, create, patch leases (coordination.k8s.io)",
    )
    asked = [(review["namespace"], review["name"]) for review in api.reviews if review["resource"] == "leases"]
    assert set(asked) == {("prunella-system", "prunella-operator")}, "the role is for this Lease alone"


@pytest.mark.parametrize(("ahead", "passed"), [(0.5, True), (5, True), (6.5, False), (-4, True), (-6, False)])
def test_the_clocks_may_differ_a_little(ahead, passed):
    assert check_clock(NOW + timedelta(seconds=ahead), NOW).passed is passed


@pytest.mark.parametrize("error", [Unavailable("away"), NotFound("no namespace"), RuntimeError("x"), OSError("y")])
def test_temporal_that_does_not_answer(error):
    def probe():
        raise error

    (check,) = failed(check_all(FakeApi(), probe))
    assert str(error) in check.message
    assert "namespace create -n default" in check.fix


METRICS_SERVER = "v1beta1"  # the last part of its path
PROMETHEUS = Settings.load({"prometheus_url": "http://prometheus:9090"})


def measurements(api, settings=None, metrics=None):
    given = {"metrics": metrics} if metrics else {}
    checks = run_checks(settings or Settings.load({}), lambda: api, lambda: SHIPPED, temporal, lambda: NOW, **given)
    (check,) = (one for one in checks if one.name in {"Prometheus", "Metrics"})
    return check


def test_to_have_no_measurements_is_allowed_and_said():
    check = measurements(FakeApi())
    assert check.passed
    assert "neither Prometheus nor metrics-server" in check.message


def test_a_metrics_server_that_serves():
    api = FakeApi()
    api.installed[METRICS_SERVER] = {}
    assert measurements(api).passed


def test_a_metrics_server_that_does_not():
    api = FakeApi()
    api.installed[METRICS_SERVER] = Unavailable("the server is currently unable to handle the request")
    check = measurements(api)
    assert not check.passed
    assert "unable to handle" in check.message
    assert "prometheus_url" in check.fix


@pytest.mark.parametrize(("value", "passed"), [(1, True), (2, False)])
def test_prometheus_answers_the_simplest_question(value, passed):
    source = FakeSource({"vector(1)": value})
    check = measurements(FakeApi(), PROMETHEUS, source)
    assert (check.name, check.passed) == ("Prometheus", passed)
    assert source.queries == ["vector(1)"]


def test_a_prometheus_that_does_not_answer():
    away = NoData(why=Why.REFUSED, message="Prometheus refuses us (401): see prometheus_token_file")
    check = measurements(FakeApi(), PROMETHEUS, FakeSource({"vector(1)": away}))
    assert not check.passed
    assert check.message == f"http://prometheus:9090: {away.message}"
    assert "prometheus_ca_file" in check.fix


def test_prometheus_is_asked_without_an_api_server_too():
    def connect():
        raise Unavailable("refused")

    source = FakeSource({"vector(1)": 1})
    checks = list(run_checks(PROMETHEUS, connect, lambda: SHIPPED, temporal, lambda: NOW, metrics=source))
    assert [check.name for check in checks] == ["Kubernetes", "Prometheus", "Temporal", "Webhook", "Payload keys"]


def test_the_report_goes_on_after_a_failure_and_says_what_to_do(capsys):
    checks = [Check("A", passed=False, message="broken", fix="repair it"), Check("B", passed=True, message="fine")]
    assert print_checks(iter(checks), as_json=False) is False
    assert capsys.readouterr().out == "FAIL  A: broken\n      fix: repair it\npass  B: fine\n"
    assert print_checks(checks[1:], as_json=False) is True
    capsys.readouterr()
    assert print_checks(checks, as_json=True) is False
    assert [row["passed"] for row in json.loads(capsys.readouterr().out)] == [False, True]
