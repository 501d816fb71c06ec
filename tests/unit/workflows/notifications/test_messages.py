"""Messages about an incident; docs/notifications.md shows this one."""

from datetime import timedelta
from pathlib import Path

from builders import NOW

from prunella_operator.config.settings import Settings
from prunella_operator.integrations.links import message_links
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, Severity, TargetRef
from prunella_workflows.model.incident_status import (
    Attempt,
    Condition,
    EvidenceNote,
    IncidentStatus,
    Phase,
    WorkflowLink,
)
from prunella_workflows.model.proposal import proposal_id
from prunella_workflows.notifications import messages

PAGE = Path(__file__).parents[4] / "docs" / "notifications.md"
UID = "5b1f0c9e-6d0f-4b1c-9d47-2f6f3f4e8a10"
REF = IncidentRef(namespace="shop", name="recommendations-oom-1", uid=UID)
SPEC = IncidentSpec(
    target=TargetRef(kind="Deployment", name="recommendations"),
    type=IncidentType.OOM_KILLED,
    severity=Severity.HIGH,
)
TRIED = Attempt(
    number=1,
    action_id=f"{UID}-1",
    action="SetMemory",
    target="Deployment/recommendations",
    parameters={"container": "app", "from": "64Mi", "to": "128Mi"},
    diff="-            memory: 64Mi\n+            memory: 128Mi",
    started_at=NOW,
    written_at=NOW,
    finished_at=NOW + timedelta(minutes=1),
    verdict="NotHealed",
    message="pod recommendations-7d9f8c6b5-x2x9k, container app: OOMKilled",
    undone=True,
)
STATUS = IncidentStatus(
    phase=Phase.ESCALATED,
    reason="MemoryLeakSuspected",
    message="Container app is out of memory again after a raise to 128Mi, which was taken back: it may be leaking",
    conditions=(
        Condition(
            type="Diagnosed",
            status="True",
            reason="PodOomKilled",
            message="Container app was OOM-killed at its limit of 64Mi.",
            last_transition_time=NOW,
        ),
    ),
    target="Deployment/recommendations",
    root_cause="pod_oom_killed",
    confidence="95%",
    fault="pod recommendations-7d9f8c6b5-x2x9k, container app: OOMKilled",
    evidence=(
        EvidenceNote(source="Decided by", message="container app: last termination OOMKilled, exit code 137"),
        EvidenceNote(source="Log recommendations-7d9f8c6b5-x2x9k/app", message="cache holds 48213 entries"),
        EvidenceNote(source="Policy", message="HealingPolicy/shop"),
    ),
    attempts=(TRIED,),
    next_step="Look for a leak: kubectl -n shop top pod --containers",
    workflow=WorkflowLink(id=f"incident-{UID}", run_id="0f9d"),
    trace_id="0af7651916cd43dd8448eb211c80319c",
)
SETTINGS = Settings.load(
    {
        "console_url": "https://prunella.example.org",
        "temporal_ui_url": "https://temporal.example.org",
        "trace_url": "https://t.example.org/{trace_id}",
    }
)


def written(message):
    return f"{title(message, Style.TEXT)}\n\n{body(message, message_links(SETTINGS, message), Style.TEXT)}"


def test_the_message_of_the_documentation_is_a_real_one():
    assert f"```text\n{written(messages.escalated(REF, SPEC, STATUS))}\n```" in PAGE.read_text()


def test_a_question_says_what_would_change_and_how_to_answer():
    waiting = STATUS.model_copy(
        update={
            "phase": Phase.AWAITING_APPROVAL,
            "message": "Waiting for a person to approve: Set the memory limit of container app from 64Mi to 96Mi.",
            "plan": "Set the memory limit of container app from 64Mi to 96Mi",
            "diff": "-64Mi\n+96Mi",
        }
    )
    message = messages.approval_requested(REF, SPEC, waiting)
    assert message.title == f"Deployment/recommendations in shop waits for approval: {waiting.plan}"
    assert "Would change:\n  -64Mi\n  +96Mi" in written(message)
    assert message.proposal == proposal_id(waiting)
    assert messages.escalated(REF, SPEC, waiting).proposal == ""
    assert message.next_step == (
        "Approve: prunella incidents approve recommendations-oom-1 -n shop"
        " (or reject: prunella incidents reject recommendations-oom-1 -n shop --reason WHY)"
    )


def test_the_next_level_reads_for_how_long_nobody_came():
    message = messages.escalated(REF, SPEC, STATUS)
    assert (
        messages.unacknowledged(message, timedelta(minutes=15)).what
        == f"No one has acknowledged this for 15m. {message.what}"
    )


def test_what_is_still_in_force_is_shown_and_what_was_taken_back_is_not():
    assert messages.escalated(REF, SPEC, STATUS).changed == ""
    kept = STATUS.model_copy(update={"attempts": (TRIED.model_copy(update={"undone": False}),)})
    assert messages.escalated(REF, SPEC, kept).changed == TRIED.diff
    never = STATUS.model_copy(update={"attempts": (TRIED.model_copy(update={"written_at": None, "undone": False}),)})
    assert messages.escalated(REF, SPEC, never).changed == ""


def test_an_incident_of_which_little_is_known():
    bare = IncidentStatus(phase=Phase.ESCALATED, reason="Unanswered", message="No worker answered")
    spec = IncidentSpec(pod_name="web-1", type=IncidentType.OTHER)
    message = messages.escalated(REF, spec, bare)
    assert message.where == "Pod/web-1 in namespace shop"
    assert message.what == "No worker answered. What was seen: Other."
    assert (message.cause, message.tried, message.changed) == ("", (), "")


def test_who_took_over_and_that_it_is_over():
    assert "acknowledged by alice" in messages.acknowledged(REF, SPEC, STATUS, "alice").title
    over = messages.resolved(REF, SPEC, STATUS, "The fault is gone.")
    assert "no longer needs a person" in over.title
    assert (over.what, over.next_step, over.evidence) == ("The fault is gone.", "", ())
    assert len({message.thread for message in (over, messages.acknowledged(REF, SPEC, STATUS, "a"))}) == 1


def test_an_attempt_of_the_incident_before_is_told_as_its():
    earlier = STATUS.model_copy(
        update={"attempts": tuple(made.model_copy(update={"incident": "web-0"}) for made in STATUS.attempts)}
    )
    assert "by incident web-0" in messages.escalated(REF, SPEC, earlier).tried[0]
