"""Record the histories of AlertHandling that are replayed: `python tests/workflow/record_alert_histories.py`.

When to do that, and when not, is in `record_histories.py`.
"""

import asyncio
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from workflow.alert_stage import (  # noqa: E402
    HEALING,
    AlertScript,
    alert_worker,
    enriched,
    firing,
    resolved,
    send,
    sends,
    stands,
)
from workflow.harness import raised, stage  # noqa: E402
from workflow.record_histories import without_traces  # noqa: E402

from prunella_workflows.contracts.alerts import StillFiring  # noqa: E402
from prunella_workflows.model.alert_policy import AlertHandlingMode  # noqa: E402
from prunella_workflows.model.errors import AuthenticationError, Unavailable  # noqa: E402
from prunella_workflows.model.incident_status import Phase  # noqa: E402

HISTORIES = HERE / "alert_histories"


def _ends(client, hands, *at, end=None):
    return hands.during(*at, sends(client, end or resolved(0, 60)))


SCENES = {
    "repaired": lambda client: _ends(client, AlertScript(), "record", 1),
    "escalated": lambda client: _ends(
        client,
        AlertScript(
            follow=[stands(Phase.REPAIRING), stands(Phase.ESCALATED)], notify=raised(AuthenticationError("refused"))
        ),
        "ticket",
        1,
    ),
    "notified": lambda client: _ends(client, AlertScript(enrich=enriched(AlertHandlingMode.NOTIFY)), "record", 1),
    "withdrawn": lambda client: _ends(
        client, AlertScript(follow=[stands(Phase.DIAGNOSING), stands(Phase.CANCELLED)]), "follow", 1
    ),
    "fires-again": lambda client: _ends(
        client,
        AlertScript(open=[raised(Unavailable("no answer"))] * 3 + AlertScript().script["open"])
        .during("record", 1, sends(client, firing(), resolved(0, 1)))
        .during("record", 2, sends(client, firing(2))),
        "record",
        3,
        end=resolved(2, 90),
    ),
    "replaced": lambda client: _ends(
        client, AlertScript().during("record", 1, sends(client, firing(30))), "record", 2, end=resolved(30, 90)
    ),
    "its-end-was-asked-for": lambda client: AlertScript(
        follow=HEALING, is_firing=[StillFiring(firing=True), StillFiring(firing=False)]
    ),
}


async def record(name):
    """The history of one scene, as JSON without anything that belongs to this machine."""
    async with stage() as environment, alert_worker(environment.client, SCENES[name](environment.client)):
        handle = await send(environment.client, firing())
        await handle.result()
        history = json.loads((await handle.fetch_history()).to_json())
    return without_traces(history)


async def main():
    HISTORIES.mkdir(exist_ok=True)
    for name in SCENES:
        (HISTORIES / f"{name}.json").write_text(await record(name))
        print(f"recorded {name}")
    await asyncio.sleep(0.5)  # a process that used the SDK may crash if it ends at once (sdk-python#300)


if __name__ == "__main__":
    asyncio.run(main())
