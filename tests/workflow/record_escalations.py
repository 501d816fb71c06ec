"""Record the histories of escalations that test_escalation.py replays: `python tests/workflow/record_escalations.py`.

When that is right is told in record_histories.py.
"""

import asyncio
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from workflow.call_stage import ALICE, TWO_LEVELS, Case  # noqa: E402
from workflow.harness import Hands, raised, seen, stage  # noqa: E402
from workflow.notices import Notices  # noqa: E402
from workflow.record_histories import without_traces  # noqa: E402

from prunella_workflows.escalation.workflow import Escalation  # noqa: E402
from prunella_workflows.model.errors import Unavailable  # noqa: E402
from prunella_workflows.model.outcome import Presence  # noqa: E402

HISTORIES = HERE / "histories" / "escalations"
RULE = {**TWO_LEVELS, "ticket": "shop/jira"}
CALM = [seen(), seen(Presence.RECOVERED), seen(Presence.RECOVERED)]


async def _acknowledge(case, handle):
    await case.notices.count(1)
    await handle.signal(Escalation.acknowledge, ALICE)


async def _cancel(case, handle):
    await case.notices.count(1)
    await handle.cancel()


async def _nothing(_case, _handle):
    pass


SCENES = {
    "nobody-came": ({}, {"chat": [raised(Unavailable("slack answered 503"))]}, _nothing),
    "acknowledged": ({}, {}, _acknowledge),
    "recovered": ({"confirm": CALM}, {}, _nothing),
    "cancelled": ({}, {}, _cancel),
}


async def record(name):
    """The history of one scene."""
    script, services, act = SCENES[name]
    async with stage() as environment:
        case = Case(environment.client, Notices(**services), Hands(**script))
        async with case.performing():
            handle = await case.begin(RULE)
            await act(case, handle)
            await handle.result()
            return without_traces(json.loads((await handle.fetch_history()).to_json()))


async def main():
    HISTORIES.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        (HISTORIES / f"{name}.json").write_text(await record(name))
        print(f"recorded {name}")
    await asyncio.sleep(0.5)  # see record_histories.py


if __name__ == "__main__":
    asyncio.run(main())
