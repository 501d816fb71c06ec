"""Record the histories that test_replay.py replays: `python tests/workflow/record_histories.py [FAMILY/SCENE...]`.

A history that no longer replays means that workflows under way would break. So record one again only when no workflow
can be under way; otherwise keep the old branch behind `workflow.patched` and add a scene. Without arguments only scenes
without a history are recorded.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from builders import MI, a_memory_raise, a_question, a_report, a_step  # noqa: E402
from workflow import alert_env, pattern_scenes  # noqa: E402
from workflow.alert_env import ScriptedAlertActivities, alert_worker, enriched, firing, resolved, sends, stands  # noqa: E402
from workflow.changed_workflows import (  # noqa: E402
    CarelessAlertHandling,
    CarelessEscalation,
    CarelessSelfHealing,
    CarelessTelemetryPipeline,
    PatchedSelfHealing,
)
from workflow.escalation_env import ALICE, TWO_LEVELS, EscalationEnv  # noqa: E402
from workflow.healing_env import (  # noqa: E402
    HEALED,
    NOT_HEALED,
    ScriptedActivities,
    cancel_and_see,
    ending,
    handle_of,
    healing_worker,
    idle,
    raised,
    seen,
    start_incident,
    start_time_skipping,
    written,
)
from workflow.recording_notifications import RecordingNotifications  # noqa: E402
from workflow.telemetry_env import ScriptedTelemetry, a_batch, start_pipeline, telemetry_worker  # noqa: E402

from prunella_workflows.alerts.workflow import AlertHandling  # noqa: E402
from prunella_workflows.contracts.alerts import StillFiring  # noqa: E402
from prunella_workflows.contracts.telemetry import Detected, Stored  # noqa: E402
from prunella_workflows.escalation.workflow import Escalation  # noqa: E402
from prunella_workflows.healing.workflow import SelfHealing  # noqa: E402
from prunella_workflows.model.alert_policy import AlertHandlingMode  # noqa: E402
from prunella_workflows.model.errors import (  # noqa: E402
    AuthenticationError,
    ChangedSince,
    Held,
    InvalidInputError,
    NotFound,
    Unavailable,
)
from prunella_workflows.model.incident import Approval  # noqa: E402
from prunella_workflows.model.incident_status import Phase  # noqa: E402
from prunella_workflows.model.outcome import Effect, GuardResult, Presence  # noqa: E402
from prunella_workflows.model.plan import Plan  # noqa: E402
from prunella_workflows.telemetry.workflow import TelemetryPipeline  # noqa: E402

HISTORIES = HERE / "histories"
MAX_LINES = 3000
"""A history that people can still look through."""

WAIT = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run.")
HELD = raised(Held("guard Concurrency holds now: 5 repairs run."))
SECOND = a_report(a_step(a_memory_raise(128 * MI)))
NOTHING_LEFT = a_report().model_copy(update={"plan": Plan(reason="MemoryLeakSuspected", message="It may be leaking.")})


# Healings: the outcomes of the activities, and what people do


async def _alone(_environment, handle, _hands):
    await ending(handle)


async def _approve_after_five_minutes(environment, handle, activities):
    await activities.wait_for_reason("ApprovalNeeded")
    await environment.sleep(timedelta(minutes=5))
    await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice@example.org"))
    await ending(handle)


async def _approve_after_people_were_asked(environment, handle, activities):
    await activities.wait_for_event("Notified")
    await _approve_after_five_minutes(environment, handle, activities)


async def _answer_until_one_counts(environment, handle, activities):
    """The first answer is of no approver; the second one is, after five minutes; the third contradicts it."""
    await activities.wait_for_reason("ApprovalNeeded")
    await handle.signal(SelfHealing.approve, Approval(decision="Rejected", by="bob"))
    await activities.wait_for_reason("NotAnApprover")
    await environment.sleep(timedelta(minutes=5))
    await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice@example.org"))
    await handle.signal(SelfHealing.approve, Approval(decision="Rejected", by="carol", groups=("sre",)))
    await ending(handle)


async def _suspend_for_five_minutes(environment, handle, activities):
    await activities.wait_for_reason("Suspended")
    await environment.sleep(timedelta(minutes=5))
    await handle.signal(SelfHealing.suspend, arg=False)
    await ending(handle)


def _suspending(client):
    async def act(_order):
        await handle_of(client).signal(SelfHealing.suspend, arg=True)
        return NOT_HEALED

    return act


def _cancelled(client):
    async def act(order):
        await cancel_and_see(handle_of(client))
        return written(order)

    return act


HEALINGS = {
    "healed": (
        lambda _: {
            "confirm": [seen(Presence.WATCHING, "Watching"), seen()],
            "diagnose": [a_report(guards=(WAIT,)), a_report()],
        },
        _alone,
    ),
    "healed-at-the-second-attempt": (
        lambda _: {
            "diagnose": [a_report(), a_report(), SECOND],
            "repair": [raised(ChangedSince("another template")), raised(Unavailable("no answer")), written],
            "verify": [NOT_HEALED, HEALED],
        },
        _alone,
    ),
    "recovered-while-waiting": (
        lambda _: {"confirm": [seen(), seen(), seen(Presence.RECOVERED)], "diagnose": a_report(guards=(WAIT,))},
        _alone,
    ),
    "escalated-after-an-undo": (lambda _: {"diagnose": [a_report(), NOTHING_LEFT], "verify": NOT_HEALED}, _alone),
    "escalated-at-once": (lambda _: {"diagnose": NOTHING_LEFT}, _alone),
    "approved-after-five-minutes": (lambda _: {"diagnose": a_question()}, _approve_after_five_minutes),
    "approved-after-people-were-notified": (
        lambda _: {"diagnose": a_report(approval_needed=True)},
        _approve_after_people_were_asked,
    ),
    "deleted-while-waiting-for-approval": (
        lambda _: {"diagnose": a_question(), "report": [None, None, raised(NotFound("incidents.prunella.dev"))]},
        _alone,
    ),
    "answered-by-three-people": (
        lambda _: {"diagnose": a_question(approvers=("alice@example.org", "group:sre"))},
        _answer_until_one_counts,
    ),
    "blocked-at-the-write": (
        lambda _: {"repair": [HELD, written, HELD, written], "verify": [NOT_HEALED, HEALED]},
        _alone,
    ),
    "suspended-during-the-verification": (
        lambda client: {"verify": [_suspending(client), HEALED]},
        _suspend_for_five_minutes,
    ),
    "cancelled-in-the-repair": (lambda client: {"repair": _cancelled(client)}, _alone),
}


async def _run_healing(environment, scene, workflow=SelfHealing):
    script, act = scene
    activities = ScriptedActivities(**script(environment.client))
    async with healing_worker(environment.client, activities, healing=workflow):
        handle = await start_incident(environment.client)
        await act(environment, handle, activities)
        return handle


async def _run_patched_healing(environment, scene):
    return await _run_healing(environment, scene, PatchedSelfHealing)


# Alerts: the activities, and the messages that arrive during them


def _ends(client, activities, *at, end=None):
    return activities.during(*at, sends(client, end or resolved(0, 60)))


ALERTS = {
    "repaired": lambda client: _ends(client, ScriptedAlertActivities(), "record", 1),
    "escalated": lambda client: _ends(
        client,
        ScriptedAlertActivities(
            follow=[stands(Phase.REPAIRING), stands(Phase.ESCALATED)], notify=raised(AuthenticationError("refused"))
        ),
        "ticket",
        1,
    ),
    "notified": lambda client: _ends(
        client, ScriptedAlertActivities(enrich=enriched(AlertHandlingMode.NOTIFY)), "record", 1
    ),
    "withdrawn": lambda client: _ends(
        client, ScriptedAlertActivities(follow=[stands(Phase.DIAGNOSING), stands(Phase.CANCELLED)]), "follow", 1
    ),
    "fires-again": lambda client: _ends(
        client,
        ScriptedAlertActivities(open=[raised(Unavailable("no answer"))] * 3 + ScriptedAlertActivities().script["open"])
        .during("record", 1, sends(client, firing(), resolved(0, 1)))
        .during("record", 2, sends(client, firing(2))),
        "record",
        3,
        end=resolved(2, 90),
    ),
    "replaced": lambda client: _ends(
        client,
        ScriptedAlertActivities().during("record", 1, sends(client, firing(30))),
        "record",
        2,
        end=resolved(30, 90),
    ),
    "its-end-was-polled": lambda _: ScriptedAlertActivities(
        is_firing=[StillFiring(firing=True), StillFiring(firing=False)]
    ),
}


async def _run_alert(environment, scene):
    async with alert_worker(environment.client, scene(environment.client)):
        handle = await alert_env.send(environment.client, firing())
        await handle.result()
        return handle


# Escalations: the outcomes of the activities and channels, and what people do

TICKET_AND_LEVELS = {**TWO_LEVELS, "ticket": "shop/jira"}
RECOVERING = [seen(), seen(Presence.RECOVERED), seen(Presence.RECOVERED)]
NOT_SEEN = seen(Presence.RECOVERED)
"""The fault cannot be confirmed, so that the recovery monitor stops after one look."""


async def _acknowledge(case, handle):
    await case.notices.count(1)
    await handle.signal(Escalation.acknowledge, ALICE)


async def _cancel(case, handle):
    await case.notices.count(1)
    await idle(handle)  # the test server loses a cancellation that meets an answer
    await handle.cancel()


async def _nothing(_case, _handle):
    pass


ESCALATIONS = {
    "unacknowledged": ({"confirm": NOT_SEEN}, {"chat": [raised(Unavailable("slack answered 503"))]}, _nothing),
    "acknowledged": ({"confirm": RECOVERING}, {}, _acknowledge),
    "recovered": ({"confirm": RECOVERING}, {}, _nothing),
    "cancelled": ({}, {}, _cancel),
}


async def _run_escalation(environment, scene):
    script, services, act = scene
    case = EscalationEnv(environment.client, RecordingNotifications(**services), ScriptedActivities(**script))
    async with case.healing_worker():
        handle = await case.start_incident(TICKET_AND_LEVELS)
        await act(case, handle)
        await handle.result()
        return handle


# Pipelines: the outcomes of the activities

NO_ANSWER = raised(Unavailable("no answer"))

PIPELINES = {
    "anomalies": {
        "fetch": [a_batch(1), a_batch(2)],
        "detect": [
            Detected(alerts=(firing(), firing(fingerprint="fedcba9876543210"))),
            Detected(alerts=(firing(), resolved(fingerprint="fedcba9876543210"))),
        ],
    },
    "a-signal-given-up": {"process_logs": raised(InvalidInputError("no OTLP"))},
    "policies-away": {"read": NO_ANSWER},
    "database-away": {"fetch": [a_batch(), a_batch()], "store": [*[NO_ANSWER] * 3, Stored(rows=7)]},
}


async def _run_pipeline(environment, scene):
    async with telemetry_worker(environment.client, ScriptedTelemetry(environment.client, **scene)):
        handle = await start_pipeline(environment.client)
        await handle.result()
        return handle


class Family(NamedTuple):
    """The scenes of one workflow, how one is run, the workflow's id, and the workflow as it is and changed."""

    scenes: dict[str, object]
    run: Callable[..., Awaitable[object]]
    workflow_id: str
    workflow: type
    careless: type


FAMILIES = {
    "healings": Family(HEALINGS, _run_healing, "incident-uid-incident", SelfHealing, CarelessSelfHealing),
    "alerts": Family(ALERTS, _run_alert, "alert-0123456789abcdef", AlertHandling, CarelessAlertHandling),
    "escalations": Family(ESCALATIONS, _run_escalation, "escalation-uid-incident", Escalation, CarelessEscalation),
    **{name: Family(*members) for name, members in pattern_scenes.FAMILIES.items()},
    "pipelines": Family(PIPELINES, _run_pipeline, "telemetry-0", TelemetryPipeline, CarelessTelemetryPipeline),
    "patched": Family(
        {"healed": HEALINGS["healed"]},
        _run_patched_healing,
        "incident-uid-incident",
        PatchedSelfHealing,
        CarelessSelfHealing,
    ),
}
SCENES = [f"{family}/{scene}" for family, members in FAMILIES.items() for scene in members.scenes]


def history_path(name):
    return HISTORIES / f"{name}.json"


async def record(name):
    """The history of one scene, as JSON without anything that belongs to this machine."""
    family, _, scene = name.partition("/")
    async with start_time_skipping() as environment:
        handle = await FAMILIES[family].run(environment, FAMILIES[family].scenes[scene])
        history = json.loads((await handle.fetch_history()).to_json())
    _remove(history, "stackTrace")  # holds paths of the machine
    return json.dumps(history, indent=1) + "\n"


def _remove(value, key):
    if isinstance(value, dict):
        value.pop(key, None)
        for member in value.values():
            _remove(member, key)
    elif isinstance(value, list):
        for member in value:
            _remove(member, key)


async def main():
    for name in sys.argv[1:] or [name for name in SCENES if not history_path(name).exists()]:
        history_path(name).parent.mkdir(parents=True, exist_ok=True)
        history_path(name).write_text(await record(name))
        print(f"recorded {name}")
    await asyncio.sleep(0.5)  # a process that used the SDK may crash if it ends at once (sdk-python#300)


if __name__ == "__main__":
    asyncio.run(main())
