"""What counts as a change of an Incident: what people write, not the marks that repairs leave on it."""

import pytest

from prunella_operator import controller
from prunella_operator.cluster import paths
from prunella_operator.lean_kopf import kopf

ANNOTATED = {"prunella.dev/detected-at": "2026-11-24T11:59:59+00:00"}


def essence(**values):
    metadata = {"name": "web-1", "uid": "u", "resourceVersion": "7", **values.pop("metadata", {})}
    body = {"kind": "Incident", "metadata": metadata, "spec": {"type": "OOMKilled"}, **values}
    return controller._settings().persistence.diffbase_storage.build(body=kopf.Body(body))


@pytest.mark.parametrize("before", [{}, {"labels": {"team": "shop"}, "annotations": ANNOTATED}], ids=["bare", "marked"])
def test_a_turn_is_no_wish(before):
    labels = {**before.get("labels", {}), paths.TURN: "asking"}
    annotations = {**before.get("annotations", {}), paths.TURNS: "{}"}
    assert essence(metadata={"labels": labels, "annotations": annotations}) == essence(metadata=before)


def test_nor_is_the_status():
    assert essence(status={"phase": "Repairing"}) == essence()


def test_a_cancellation_and_a_suspension_are():
    assert essence(metadata={"annotations": {paths.CANCEL: "true"}}) != essence()
    assert essence(spec={"type": "OOMKilled", "suspend": True}) != essence()
