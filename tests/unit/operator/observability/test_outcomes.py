"""Outcomes of incidents, as metrics."""

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from prunella_operator.observability import outcomes
from prunella_workflows.model.incident_status import Attempt, IncidentStatus, Phase, Times

T = datetime(2026, 11, 24, tzinfo=UTC)


def attempt(verdict, *, undone=False):
    return Attempt(
        number=1, action_id="a", action="SetMemory", target="Deployment/a", started_at=T, verdict=verdict, undone=undone
    )


def read(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_end_is_counted_with_its_attempts_and_times():
    times = Times(
        fault_at=T,
        detected_at=T + timedelta(seconds=2),
        diagnosed_at=T + timedelta(seconds=12),
        repaired_at=T + timedelta(seconds=14),
        healed_at=T + timedelta(seconds=80),
    )
    status = IncidentStatus(
        phase=Phase.HEALED,
        root_cause="pod_oom_killed",
        attempts=(attempt("NotHealed", undone=True), attempt("Healed")),
        times=times,
    )
    names = {
        "prunella_incidents_closed_total": {"phase": "Healed", "cause": "pod_oom_killed"},
        "prunella_repairs_total": {"action": "SetMemory", "verdict": "Healed"},
        "prunella_repairs_undone_total": {"action": "SetMemory"},
        "prunella_stage_seconds_count": {"stage": "heal"},
    }
    before = {name: read(name, **labels) for name, labels in names.items()}
    heal = read("prunella_stage_seconds_sum", stage="heal")
    outcomes.observe(status)
    assert {name: read(name, **labels) - before[name] for name, labels in names.items()} == dict.fromkeys(names, 1.0)
    assert read("prunella_stage_seconds_sum", stage="heal") - heal == 78.0


def test_a_repair_that_no_new_pod_proves_is_counted_apart():
    before = read("prunella_repairs_unproven_total", action="RestoreTemplate")
    outcomes.observe(IncidentStatus(phase=Phase.HEALED, reason="ServedByExistingPods", action="RestoreTemplate"))
    assert read("prunella_repairs_unproven_total", action="RestoreTemplate") == before + 1


def test_what_has_no_cause_and_no_times_is_counted_too():
    before = read("prunella_incidents_closed_total", phase="Failed", cause="none")
    outcomes.observe(IncidentStatus(phase=Phase.FAILED))
    assert read("prunella_incidents_closed_total", phase="Failed", cause="none") == before + 1


def test_every_series_begins_at_nought_so_that_its_first_event_is_an_increase():
    known = {tuple(sample.labels.values()) for metric in outcomes.REPAIRS.collect() for sample in metric.samples}
    assert {("Scale", "Inconclusive"), ("ResizePods", "Healed"), ("RestoreTemplate", "Worse")} <= known
    suppressed = {"phase": "Suppressed", "cause": "node_lost"}
    assert REGISTRY.get_sample_value("prunella_incidents_closed_total", suppressed) is not None
    assert REGISTRY.get_sample_value("prunella_stage_seconds_count", {"stage": "detection"}) is not None
    assert REGISTRY.get_sample_value("prunella_incidents_closed_total", {"phase": "Pending", "cause": "none"}) is None
    assert len(outcomes.ACTIONS) == 7


def test_what_waits_as_intended_has_an_age_of_its_own():
    outcomes.observe_open([(Phase.DIAGNOSING, True, 900.0), (Phase.DIAGNOSING, False, 20.0)])
    assert read("prunella_incidents_open", phase="Diagnosing") == 2
    assert read("prunella_incident_oldest_seconds", phase="Diagnosing", waiting="true") == 900
    assert read("prunella_incident_oldest_seconds", phase="Diagnosing", waiting="false") == 20
    outcomes.observe_open([])
    assert read("prunella_incident_oldest_seconds", phase="Diagnosing", waiting="true") == 0
