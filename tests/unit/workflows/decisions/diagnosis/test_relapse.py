"""The fault of an incident that ended well is back: its attempts go on, if the workload is as that incident left it."""

import pytest
from builders import a_brief, a_deployment, a_spec, ago, an_attempt, an_evidence

from prunella_workflows.decisions.diagnosis.relapse import find_earlier_attempts, find_repair_in_force
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause

RAISE = an_attempt(1, verdict="Healed", undone=False)
HOUR = 3600.0


def as_left(after="hash-2", last_action="uid-incident-1", **values):
    """Deployment web as a repair left it."""
    marks = {"prunella.dev/before": "web-prunella-hash1", "prunella.dev/after": after}
    return a_deployment(last_action=last_action, annotations=marks, **values)


def an_earlier(**values):
    """An incident that healed the same fault ten minutes ago."""
    facts = {"phase": Phase.HEALED, "closed_at": ago(900), "attempts": (RAISE,), "type": "OOMKilled"}
    return a_brief("web-1", **{**facts, "root_cause": "pod_oom_killed", "container": "app", **values})


def evidence(earlier=None, **values):
    spec = a_spec(type=IncidentType.OOM_KILLED, container_name="app")
    facts = {"workload": as_left(), "incident": spec, "incidents": (earlier or an_earlier(),), "incident_name": "web-2"}
    return an_evidence(**{**facts, **values})


def test_the_next_incident_takes_the_attempts_that_did_not_last():
    (attempt,) = find_earlier_attempts(evidence(), Cause.POD_OOM_KILLED, HOUR)
    assert (attempt.incident, attempt.verdict, attempt.undone) == ("web-1", "NotHealed", False)


def test_what_an_incident_in_between_has_undone_is_no_longer_in_force():
    undone = evidence(workload=as_left(last_action="uid-incident-1-undo"))
    (attempt,) = find_earlier_attempts(undone, Cause.POD_OOM_KILLED, HOUR)
    assert (attempt.incident, attempt.verdict, attempt.undone) == ("web-1", "NotHealed", True)


def test_attempts_that_were_taken_over_keep_the_incident_that_made_them():
    older = an_attempt(1, incident="web-0")
    taken = find_earlier_attempts(evidence(an_earlier(attempts=(older, RAISE))), Cause.POD_OOM_KILLED, HOUR)
    assert [attempt.incident for attempt in taken] == ["web-0", "web-1"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(evidence(an_earlier(phase=Phase.ESCALATED)), id="people have it"),
        pytest.param(evidence(an_earlier(closed_at=ago(4000))), id="long ago"),
        pytest.param(evidence(an_earlier(workload="Deployment/api")), id="another workload"),
        pytest.param(evidence(an_earlier(container="sidecar")), id="another container"),
        pytest.param(evidence(an_earlier(type="ConfigError", root_cause="bad_release")), id="another fault"),
        pytest.param(evidence(an_earlier(attempts=())), id="it needed no repair"),
        pytest.param(evidence(workload=as_left(after="hash-1")), id="the owner released since"),
        pytest.param(evidence(workload=as_left(last_action="uid-x-1")), id="another repair since"),
        pytest.param(evidence(incident=a_spec(type=IncidentType.HIGH_CPU)), id="more load is no relapse"),
    ],
)
def test_what_is_no_relapse(changed):
    assert find_earlier_attempts(changed, Cause.POD_OOM_KILLED, HOUR) == ()


def test_a_window_of_zero_disables_it():
    assert find_earlier_attempts(evidence(), Cause.POD_OOM_KILLED, 0.0) == ()


def test_a_repair_in_force_is_found_with_the_template_that_it_replaced():
    held = find_repair_in_force(evidence(), (RAISE,))
    assert (held.attempt, held.before.name, held.before.template_hash) == (RAISE, "web-prunella-hash1", "hash1")


@pytest.mark.parametrize(
    ("workload", "attempt"),
    [
        pytest.param(as_left(), an_attempt(1), id="undone"),
        pytest.param(as_left(), an_attempt(1, action="Restart", undone=False), id="a restart has no undo"),
        pytest.param(as_left(last_action="uid-x-1"), RAISE, id="repaired otherwise since"),
        pytest.param(as_left(after="hash-9"), RAISE, id="released since"),
    ],
)
def test_nothing_is_in_force(workload, attempt):
    assert find_repair_in_force(evidence(workload=workload), (attempt,)) is None
