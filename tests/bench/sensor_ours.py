"""One contender of `sensor.py`: Prunella's pod source as the operator runs it. Talks to `sensor.py` over stdout."""

import asyncio
import time
from pathlib import Path

from prunella_operator.detection.pods import PodSource
from prunella_operator.kubernetes.access import load_access


class Timed(PodSource):
    """Print when a pod has been judged and its signals were emitted."""

    def on_upsert(self, obj, at):
        super().on_upsert(obj, at)
        if self.stats.synced:
            print("event", obj.metadata.name, obj.metadata.resource_version, time.time_ns(), flush=True)


def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


async def main():
    source = Timed(load_access(), lambda _: None)
    print("base", rss(), flush=True)
    task = asyncio.create_task(source.run())
    while not source.stats.synced:  # noqa: ASYNC110 - the source has no event for it, and needs none
        await asyncio.sleep(0.01)
    print("synced", source.stats.objects, flush=True)
    await task


asyncio.run(main())
