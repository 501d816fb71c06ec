"""The pod source as a whole: from an API server to the signals."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from fakes.apiserver import FakeApi, deleted, eventually, modified
from fakes.pods import ended, pod, running

from prunella_operator.detection.pod_status import Pod
from prunella_operator.detection.pods import PodSource
from prunella_operator.kubernetes.watch.resource import Scope
from prunella_operator.tasks import end

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
OOM = running(state=ended("OOMKilled", 137))


async def test_a_fault_is_reported_and_a_deleted_pod_forgotten():
    emitted = asyncio.Queue()
    async with FakeApi(objects=[pod()]) as api:
        source = PodSource(api.access, emitted.put_nowait, Scope("shop", fields="spec.nodeName=a"))
        task = asyncio.create_task(source.run())
        await eventually(lambda: api.watching == 2)
        api.send(modified(pod(version=101, containers=[OOM])))

        assert (await asyncio.wait_for(emitted.get(), 2)).reason == "OOMKilled"
        assert {asked.query["fieldSelector"] for asked in api.of("list")} == {
            "spec.nodeName=a,status.phase!=Succeeded",
            "spec.nodeName=a,status.phase=Succeeded,spec.restartPolicy=Always",
        }

        api.send(deleted(pod(version=102)), modified(pod(version=103, uid="new", containers=[OOM])))
        assert (await asyncio.wait_for(emitted.get(), 2)).uid == "new"
        assert list(source._memory) == ["new"]
        await end(task)


def test_a_signal_that_was_not_taken_is_given_again():
    taken = []

    def full(_signal):
        raise BufferError

    source = PodSource(FakeApi().access, full)
    bad = msgspec.convert(pod(containers=[OOM]), Pod)
    with pytest.raises(BufferError):
        source.on_upsert(bad, NOW)
    source.emit = taken.append
    source.on_upsert(bad, NOW)
    source.on_upsert(bad, NOW)

    assert len(taken) == 1
