"""Record the histories that test_replay.py replays: `python tests/workflow/record_histories.py`.

Do this on purpose only: a history that no longer replays means that incidents under way would break. Keep the old
branch behind `workflow.patched` and add a history; record anew only when no incident can be under way.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from builders import MI, a_memory_raise, a_report, a_step  # noqa: E402
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

from prunella_workflows.errors import ChangedSince, Unavailable  # noqa: E402
from prunella_workflows.healing import SelfHealing  # noqa: E402
from prunella_workflows.model.incident import Approval  # noqa: E402
from prunella_workflows.model.outcome import Effect, GuardResult, Presence  # noqa: E402
from prunella_workflows.model.plan import Plan  # noqa: E402

HISTORIES = HERE / "histories"
WAIT = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run.")
SECOND = a_report(a_step(a_memory_raise(128 * MI)))
NOTHING_LEFT = a_report().model_copy(update={"plan": Plan(reason="MemoryLeakSuspected", message="It may be leaking.")})


async def _alone(_environment, handle, _hands):
    await ending(handle)


async def _approve_after_two_days(environment, handle, hands):
    await hands.told("ApprovalNeeded")
    await environment.sleep(timedelta(days=2))
    await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice@example.org"))
    await ending(handle)


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
    "escalated": (lambda _: {"diagnose": [a_report(), NOTHING_LEFT], "verify": NOT_HEALED}, _alone),
    "approved-after-two-days": (lambda _: {"diagnose": a_report(approval_needed=True)}, _approve_after_two_days),
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
    for name in SCENES:
        (HISTORIES / f"{name}.json").write_text(await record(name))
        print(f"recorded {name}")
    await asyncio.sleep(0.5)  # a process that used the SDK may crash if it ends at once (sdk-python#300)


if __name__ == "__main__":
    asyncio.run(main())
