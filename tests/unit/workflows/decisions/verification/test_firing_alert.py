"""An incident that an alert opened does not recover while that alert fires."""

import pytest
from builders import a_brief, ago, an_evidence

from prunella_workflows.decisions.verification.firing_alert import wait_while_firing
from prunella_workflows.model.outcome import Presence, Sighting

CALM = Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message="the pods are healthy again")
PATIENCE = 600.0


def opened_by_an_alert(seconds, **values):
    own = a_brief("web-1", **{"source": "alerts", "alert_since": ago(3600), **values})
    return an_evidence(incidents=(own,), incident_name="web-1", opened_at=ago(seconds))


@pytest.mark.parametrize(("seconds", "presence"), [(599, Presence.WATCHING), (600, Presence.FAILING)])
def test_calm_pods_are_watched_for_a_while_and_then_escalated(seconds, presence):
    found = wait_while_firing(CALM, opened_by_an_alert(seconds), PATIENCE)
    assert (found.presence, found.reason) == (presence, "AlertStillFiring")
    assert CALM.message in found.message


@pytest.mark.parametrize(
    "values", [pytest.param({"alert_since": None}, id="over"), pytest.param({"source": ""}, id="of a person")]
)
def test_without_an_alert_that_fires_calm_pods_are_a_recovery(values):
    assert wait_while_firing(CALM, opened_by_an_alert(60, **values), PATIENCE) is CALM


@pytest.mark.parametrize("presence", [Presence.FAILING, Presence.WATCHING])
def test_a_fault_that_shows_is_not_held_up(presence):
    seen = Sighting(presence=presence, reason="FaultPersists")
    assert wait_while_firing(seen, opened_by_an_alert(60), PATIENCE) is seen
