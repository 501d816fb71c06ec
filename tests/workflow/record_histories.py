"""Record histories that test_replay.py replays: `python tests/workflow/record_histories.py SCENE...`.

Do this on purpose only: a history that no longer replays means that incidents under way would break. Keep the old
branch behind `workflow.patched` and add a scene; record one anew only when no incident can be under way. Without the
name of a scene those are recorded that have no history yet.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from builders import MI, a_memory_raise, a_question, a_report, a_step  # noqa: E402
from workflow.harness import (  # noqa: E402
    HEALED,
    NOT_HEALED,
    Hands,
    begin,
    cancel_and_see,
    ending,
    handle_of,
    performing,
    raised,
    seen,
    stage,
    written,
)

from prunella_workflows.healing.workflow import SelfHealing  # noqa: E402
from prunella_workflows.model.errors import ChangedSince, Held, NotFound, Unavailable  # noqa: E402
from prunella_workflows.model.incident import Approval  # noqa: E402
from prunella_workflows.model.outcome import Effect, GuardResult, Presence  # noqa: E402
from prunella_workflows.model.plan import Plan  # noqa: E402

HISTORIES = HERE / "histories"
WAIT = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run.")
HELD = raised(Held("guard Concurrency holds now: 5 repairs run."))
SECOND = a_report(a_step(a_memory_raise(128 * MI)))
NOTHING_LEFT = a_report().model_copy(update={"plan": Plan(reason="MemoryLeakSuspected", message="It may be leaking.")})


async def _alone(_environment, handle, _hands):
    await ending(handle)


async def _approve_after_two_days(environment, handle, hands):
    await hands.told("ApprovalNeeded")
    await environment.sleep(timedelta(days=2))
    await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice@example.org"))
    await ending(handle)


async def _approve_after_people_were_asked(environment, handle, hands):
    await hands.noted("Notified")
    await _approve_after_two_days(environment, handle, hands)


async def _answer_until_one_counts(environment, handle, hands):
    """The first comes from somebody who may not, the second after a day, and then another contradicts it."""
    await hands.told("ApprovalNeeded")
    await handle.signal(SelfHealing.approve, Approval(decision="Rejected", by="bob"))
    await hands.told("NotAnApprover")
    await environment.sleep(timedelta(days=1))
    await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice@example.org"))
    await handle.signal(SelfHealing.approve, Approval(decision="Rejected", by="carol", groups=("sre",)))
    await ending(handle)


async def _suspend_for_an_hour(environment, handle, hands):
    await hands.told("Suspended")
    await environment.sleep(timedelta(hours=1))
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


SCENES = {
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
    "escalated": (lambda _: {"diagnose": [a_report(), NOTHING_LEFT], "verify": NOT_HEALED}, _alone),
    "escalated-to-people": (lambda _: {"diagnose": NOTHING_LEFT}, _alone),  # after the patch "escalation"
    "approved-after-two-days": (lambda _: {"diagnose": a_question()}, _approve_after_two_days),
    "approved-after-people-were-asked": (  # after the patch "asks-people"
        lambda _: {"diagnose": a_report(approval_needed=True)},
        _approve_after_people_were_asked,
    ),
    "deleted-while-people-are-asked": (  # after the patch "looks-while-people-are-waited-for"
        lambda _: {"diagnose": a_question(), "report": [None, None, raised(NotFound("incidents.prunella.dev"))]},
        _alone,
    ),
    "answered-by-three-people": (
        lambda _: {"diagnose": a_question(approvers=("alice@example.org", "group:sre"))},
        _answer_until_one_counts,
    ),
    "held-at-the-write": (
        lambda _: {"repair": [HELD, written, HELD, written], "verify": [NOT_HEALED, HEALED]},
        _alone,
    ),
    "suspended-during-the-verification": (
        lambda client: {"verify": [_suspending(client), HEALED]},
        _suspend_for_an_hour,
    ),
    "cancelled-in-the-repair": (lambda client: {"repair": _cancelled(client)}, _alone),
}


async def record(name):
    """The history of one scene, as JSON without anything that belongs to this machine."""
    script, act = SCENES[name]
    async with stage() as environment:
        hands = Hands(**script(environment.client))
        async with performing(environment.client, hands):
            handle = await begin(environment.client)
            await act(environment, handle, hands)
            history = json.loads((await handle.fetch_history()).to_json())
    return without_traces(history)


def without_traces(history):
    """A history as it is kept."""
    _blank(history, "stackTrace")
    return json.dumps(history, indent=1) + "\n"


def _blank(value, key):
    """Stack traces hold paths of the machine that recorded them."""
    if isinstance(value, dict):
        value.pop(key, None)
        for one in value.values():
            _blank(one, key)
    elif isinstance(value, list):
        for one in value:
            _blank(one, key)


async def main():
    HISTORIES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or [name for name in SCENES if not (HISTORIES / f"{name}.json").exists()]:
        (HISTORIES / f"{name}.json").write_text(await record(name))
        print(f"recorded {name}")
    await asyncio.sleep(0.5)  # a process that used the SDK may crash if it ends at once (sdk-python#300)


if __name__ == "__main__":
    asyncio.run(main())
