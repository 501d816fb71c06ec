"""An alert is signalled when a repair begins or ends and when its incident is closed, and at no other change."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator.incidents.alert_signals import AlertSignals
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import ALERT_PREFIX, OPENED_BY_ALERT

ONE = {OPENED_BY_ALERT: "a1", f"{ALERT_PREFIX}a1": "PodCrashLooping fires"}
BOTH = {**ONE, f"{ALERT_PREFIX}b2": "HighErrorRate fires"}


class FakeTemporal:
    """The signals that were sent, by workflow; those in `errors` fail."""

    def __init__(self, **errors):
        self.asked = []
        self.signalled = []
        self.errors = errors

    def get_workflow_handle(self, workflow_id):
        self.asked.append(workflow_id)
        return self

    async def signal(self, method):
        assert method.__name__ == "incident_changed"
        if status := self.errors.get(self.asked[-1].removeprefix("alert-")):
            raise RPCError("no", status, b"")
        self.signalled.append(self.asked[-1])


async def play(temporal, *changes, annotations=ONE):
    signals = AlertSignals(temporal)
    for phase in changes:
        await signals.incident_changed("uid-web", phase, annotations)
    return temporal.signalled


@pytest.mark.parametrize(
    ("phases", "count"),
    [
        ([Phase.PENDING, Phase.CONFIRMING, Phase.DIAGNOSING, Phase.AWAITING_APPROVAL], 0),
        ([Phase.PENDING, Phase.REPAIRING, Phase.REPAIRING, Phase.VERIFYING], 1),
        ([Phase.PENDING, Phase.VERIFYING, Phase.DIAGNOSING, Phase.REPAIRING], 3),
        ([Phase.PENDING, Phase.HEALED, Phase.HEALED], 1),
        ([Phase.HEALED], 0),
    ],
)
async def test_only_what_an_alert_acts_on_is_signalled(phases, count):
    assert await play(FakeTemporal(), *phases) == ["alert-a1"] * count


async def test_every_alert_of_the_incident_is_signalled_also_after_one_whose_handling_has_ended():
    temporal = FakeTemporal(a1=RPCStatusCode.NOT_FOUND)
    assert await play(temporal, Phase.PENDING, Phase.ESCALATED, annotations=BOTH) == ["alert-b2"]


async def test_without_temporal_all_alerts_ask_later_and_the_others_are_not_tried():
    temporal = FakeTemporal(a1=RPCStatusCode.UNAVAILABLE)
    assert await play(temporal, Phase.PENDING, Phase.HEALED, annotations=BOTH) == []
    assert temporal.asked == ["alert-a1"]


async def test_an_incident_without_alerts_costs_nothing():
    signals = AlertSignals(FakeTemporal())
    await signals.incident_changed("uid-web", Phase.REPAIRING, {})
    assert signals._progress == {}


async def test_a_deleted_incident_is_forgotten():
    signals = AlertSignals(FakeTemporal())
    await signals.incident_changed("uid-web", Phase.DIAGNOSING, ONE)
    signals.forget("uid-web")
    assert signals._progress == {}
