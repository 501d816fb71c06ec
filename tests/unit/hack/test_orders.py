"""The orders that are broken and healed: the table and its file, what must not be touched, the command line."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from fakes.httpd import Answer, Httpd
from localcluster.console import ClusterError
from orderhealing import alerts, cli, rows
from orderhealing.faults import FAULTS
from orderhealing.figures import Figures
from orderhealing.load import Load
from orderhealing.play import make_row
from orderhealing.system import DEPLOYMENTS, OrderSystem, PodState, Shape, memory_needed, with_names, with_variable
from rich.console import Console

from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_orders.services.faults import Faults
from prunella_workflows.model.incident_status import Phase, Times

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FIGURES = Figures(in_flight=12, ended=40, longest=42.5, p99=1.25, errors=())
RIGHT = rows.Row("memory", "Healed", True, 4.0, 20.0, 60.0, 12, 0, 42.5, 1.25, (), ())
DEPLOYMENT = {"spec": {"template": {"spec": {"containers": [{"name": "api", "env": [{"name": "A", "value": "1"}]}]}}}}


def incident(phase, **times):
    at = {name: BEGAN + timedelta(seconds=seconds) for name, seconds in times.items()}
    return SimpleNamespace(phase=phase, status=SimpleNamespace(times=Times(**at)))


def printed(found):
    console = Console(width=100, file=StringIO())
    console.print(found)
    return console.file.getvalue()


# Rows


def test_a_row_counts_from_the_beginning_of_the_fault():
    healed = incident(Phase.HEALED, detected_at=4, repaired_at=20, healed_at=60, closed_at=61)
    assert make_row("memory", FAULTS["memory"], healed, BEGAN, FIGURES, lost=0, innocents=set()) == RIGHT
    assert RIGHT.is_right


def test_what_is_handed_over_is_over_when_its_incident_is_closed():
    escalated = incident(Phase.ESCALATED, detected_at=70, closed_at=140)
    row = make_row("payments", FAULTS["payments"], escalated, BEGAN, FIGURES, lost=0, innocents=set())
    assert (row.repaired, row.over, row.is_right) == (None, 140, True)


def test_a_fault_without_an_incident_has_a_row_too():
    row = make_row("release", FAULTS["release"], None, BEGAN, FIGURES, lost=0, innocents=set())
    assert (row.ended, row.detected, row.over, row.is_right) == ("no incident", None, None, False)


@pytest.mark.parametrize(
    "change", [{"as_it_should": False}, {"lost": 1}, {"errors": ("stock is gone",)}, {"innocents": ("carrier",)}]
)
def test_a_row_is_wrong_when_anything_was_lost_or_touched(change):
    assert not replace(RIGHT, **change).is_right


def test_rows_outlive_an_interruption(tmp_path):
    path = tmp_path / "rows.json"
    assert rows.load(path) == {}
    kept = {"memory": RIGHT, "release": replace(RIGHT, fault="release", errors=("x",), innocents=("y",), over=None)}
    rows.save(path, kept)
    assert rows.load(path) == kept


def test_the_table_has_a_column_for_each_fault():
    text = printed(rows.table({"memory": RIGHT, "payments": replace(RIGHT, fault="payments", repaired=None)}))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["fault", "memory", "payments"]
    assert ["repaired", "after", "20.0", "s", "-"] in lines
    assert ["orders", "lost", "0", "0"] in lines


# The system


CARRIER, PAYMENTS = PodState("carrier", "carrier-a", 0), PodState("payments", "payments-a", 1)


def test_what_must_not_change_is_a_template_or_a_pod():
    templates = {name: {"spec": name} for name in DEPLOYMENTS}
    before = Shape(templates, {"u1": CARRIER, "u2": PAYMENTS})
    assert before.changed(before) == set()
    assert before.changed(Shape({**templates, "order-service": {}}, before.pods)) == {"order-service"}
    assert before.changed(Shape(templates, {**before.pods, "u2": PAYMENTS._replace(restarts=2)})) == {"payments"}
    assert before.changed(Shape(templates, {**before.pods, "u3": CARRIER})) == set(), "more pods harm nothing"


def test_a_pod_that_was_deleted_is_touched_unless_its_replica_set_removed_it():
    templates = {name: {"spec": name} for name in DEPLOYMENTS}
    before = Shape(templates, {"u1": CARRIER, "u2": PAYMENTS})
    assert before.changed(Shape(templates, {"u1": CARRIER})) == {"payments"}
    assert before.changed(Shape(templates, {"u1": CARRIER}, frozenset({"payments-a"}))) == set()
    again = {"u1": CARRIER, "u2": PAYMENTS._replace(restarts=2)}
    assert before.changed(Shape(templates, again, frozenset({"payments-a"}))) == {"payments"}


def test_pods_that_replica_sets_removed_are_known_by_their_events():
    def answer(request):
        if request.path.endswith("/events"):
            messages = ("Deleted pod: carrier-b", "(combined from similar events): Deleted pod: carrier-c")
            return Answer(body={"items": [{"message": message} for message in messages]})
        if request.path.endswith("/pods"):
            return Answer(body={"items": [a_pod(request.query["labelSelector"].partition("=")[2])]})
        return Answer(body=DEPLOYMENT)

    with Httpd(answer) as server:
        shape = OrderSystem(SyncClient(Access(server=server.url)), None, None).shape()
    assert shape.removed == {"carrier-b", "carrier-c"}
    assert shape.pods["uid-carrier"] == PodState("carrier", "carrier-a", 3)
    (events,) = [one for one in server.asked if one.path.endswith("/events")]
    assert events.query["fieldSelector"] == "involvedObject.kind=ReplicaSet,reason=SuccessfulDelete"


def a_pod(name):
    meta = {"name": f"{name}-a", "uid": f"uid-{name}", "labels": {"app.kubernetes.io/name": name}}
    return {"metadata": meta, "status": {"containerStatuses": [{"restartCount": 1}, {"restartCount": 2}]}}


def test_a_changed_deployment_is_another_one():
    named = with_names(DEPLOYMENT, {"outside": "10.88.1.1", "payments": "10.151.2.3"})
    assert named["spec"]["template"]["spec"]["hostAliases"] == [
        {"ip": "10.88.1.1", "hostnames": ["outside"]},
        {"ip": "10.151.2.3", "hostnames": ["payments"]},
    ]
    released = with_variable(DEPLOYMENT, "B", "2")
    (container,) = released["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    (untouched,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]
    assert untouched["env"] == [{"name": "A", "value": "1"}]


def test_the_route_is_taken_back_where_the_monitoring_cannot_be_reloaded(tmp_path, monkeypatch):
    def reload(_instance):
        raise ClusterError("Prometheus is gone")

    (tmp_path / "rules").mkdir()
    routing = tmp_path / "alertmanager.json"
    routing.write_text("before")
    monkeypatch.setattr(alerts.monitoring, "folder", lambda _instance: tmp_path)
    monkeypatch.setattr(alerts.monitoring, "reload", reload)
    monkeypatch.setattr(alerts.alertmanager, "write_routing", lambda file, *_: file.write_text("to Prunella"))
    with pytest.raises(ClusterError, match="gone"), alerts.Alerts(None, tmp_path / "token").routed(Settings()):
        pytest.fail("it has no rules")
    assert (routing.read_text(), list((tmp_path / "rules").iterdir())) == ("before", [])


def test_workers_read_how_much_memory_they_need():
    assert Faults.model_validate_json(memory_needed(200)).memory_mib == 200


def test_a_fault_changes_no_more_than_what_it_is_about():
    for fault in FAULTS.values():
        assert fault.about in DEPLOYMENTS
        assert fault.may_change == ({fault.about} if fault.repaired else set())
    assert FAULTS["payments"].may_change == frozenset()


# The command line


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(fault.title in " ".join(text.split()) for fault in FAULTS.values())
    assert "--resume" in text


@pytest.mark.parametrize("arguments", [["--only", "meteor"], ["--rate", "3"], ["--rate", "0"], ["--peak", "0.5"]])
def test_what_makes_no_sense_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_run_that_is_complete_only_shows_its_table(tmp_path, capsys):
    rows.save(tmp_path / "rows.json", {name: replace(RIGHT, fault=name) for name in FAULTS})
    assert cli.main(["--resume", "--state", str(tmp_path)]) == 0
    assert "payments" in capsys.readouterr().out
    rows.save(tmp_path / "rows.json", {name: replace(RIGHT, fault=name, lost=1) for name in FAULTS})
    assert cli.main(["--resume", "--state", str(tmp_path)]) == 1


# Load


def test_customers_stop_when_the_block_ends_and_have_their_answers():
    numbers = iter(range(1000))
    with Httpd(lambda _: Answer(status=202, body={"id": str(next(numbers))})) as api:
        with Load(f"http://127.0.0.1:{api.port}", "test", rate=50) as load:
            asyncio.run(asyncio.sleep(0.3))
        sent = load.sent()
    assert 1 <= len(sent.accepted) < 50
    assert (sent.unanswered, sent.repeated) == (0, 0)


def test_an_order_that_is_refused_is_raised():
    with (
        Httpd(lambda _: Answer(status=422, body={"errors": []})) as api,
        Load(f"http://127.0.0.1:{api.port}", "test", rate=50) as load,
        pytest.raises(ExceptionGroup, match="unhandled errors"),
    ):
        load.sent()
