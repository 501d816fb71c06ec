"""Budgets on a real API server: many repairs acquire repair slots at once, as if in separate processes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from builders import a_guard_case, a_memory_raise, a_policy
from support.deployments import a_namespace

from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.kubernetes import paths
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince, Conflict, Held
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.workload import WorkloadRef

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

AT_ONCE = 24
BUDGET = 5
NEVER = 1000


@pytest.fixture
def shop(api):
    """A namespace that no Prunella watches, so that its incidents stay as they are created."""
    name = a_namespace(api, "slots-", ignore="true")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def announce(kube, namespace, number):
    """An incident whose first repair is announced, and the order of that repair."""
    target = {"kind": "Deployment", "name": f"web-{number}"}
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": f"web-{number}"}}
    made = kube.create(paths.incidents(namespace), {**body, "spec": {"type": "OOMKilled", "target": target}})
    incident = IncidentRef(namespace=namespace, name=f"web-{number}", uid=made["metadata"]["uid"])
    report(kube, incident, "Repairing", 1)
    action = a_memory_raise(target=WorkloadRef(namespace=namespace, **target))
    return RepairOrder(incident=incident, action_id=f"{incident.uid}-1", action=action)


def report(kube, incident, phase, number):
    attempt = {
        "number": number,
        "actionId": f"{incident.uid}-{number}",
        "action": "SetMemory",
        "target": f"Deployment/{incident.name}",
        "startedAt": "2026-11-24T12:00:00Z",
    }
    path = f"{paths.incidents(incident.namespace, incident.name)}/status"
    kube.merge_patch(path, {"status": {"phase": phase, "attempts": [attempt]}})


def acquires(kube, order, **budgets):
    """True if it acquired a slot."""
    workload = a_guard_case().workload.model_copy(update={"ref": order.action.target})
    everything = {"concurrentPerNamespace": NEVER, "concurrentPerCluster": NEVER, "perHourPerNamespace": NEVER}
    policy = a_policy(budgets={**everything, "perHourPerCluster": NEVER, **budgets})
    case = a_guard_case(workload=workload, incident=order.incident.name, policy=policy, action=order.action)
    with suppress(Held, ChangedSince, Conflict), RepairSlotAllocator(kube).acquire(order, case):
        return True
    return False


@pytest.mark.parametrize("budget", ["concurrentPerNamespace", "perHourPerNamespace"])
def test_of_many_requests_at_once_exactly_the_budget_passes(kube, shop, budget):
    orders = [announce(kube, shop, number) for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(lambda order: acquires(kube, order, **{budget: BUDGET}), orders))
    assert sum(passed) == BUDGET
    labelled = kube.metadata(paths.incidents(shop), labelSelector=labels.REPAIR_SLOT)
    names = sorted(incident["metadata"]["name"] for incident in labelled)
    assert names == sorted(order.incident.name for order, got in zip(orders, passed, strict=True) if got)


def test_those_that_wait_acquire_their_slot_when_others_are_done(kube, shop):
    orders = [announce(kube, shop, number) for number in range(3 * BUDGET)]
    waiting, rounds = orders, 0
    while waiting and rounds < len(orders):
        rounds += 1
        with ThreadPoolExecutor(len(waiting)) as pool:
            passed = list(pool.map(lambda order: acquires(kube, order, concurrentPerNamespace=BUDGET), waiting))
        assert 0 < sum(passed) <= BUDGET
        for order, got in zip(waiting, passed, strict=True):
            if got:
                report(kube, order.incident, "Healed", 1)
        waiting = [order for order, got in zip(waiting, passed, strict=True) if not got]
    assert (waiting, rounds) == ([], 3)


def test_only_incidents_with_a_slot_or_a_request_are_read(kube, shop):
    orders = [announce(kube, shop, number) for number in range(AT_ONCE)]
    assert acquires(kube, orders[0])
    seen = RepairSlotAllocator(kube).read("")
    assert {slot.name for slot in seen.running if slot.namespace == shop} == {"web-0"}
    assert {slot.workload for slot in seen.recent if slot.namespace == shop} == {"Deployment/web-0"}
    report(kube, orders[0].incident, "Healed", 1)
    seen = RepairSlotAllocator(kube).read("")
    assert [slot.name for slot in seen.running if slot.namespace == shop] == []
    assert [slot.name for slot in seen.recent if slot.namespace == shop] == ["web-0"]


def test_metadata_is_all_that_is_read(kube, shop):
    announce(kube, shop, 1)
    (incident,) = kube.metadata(paths.incidents(shop))
    assert set(incident) == {"metadata"}
    assert {"name", "namespace", "uid", "resourceVersion"} <= set(incident["metadata"])
    assert "managedFields" not in incident["metadata"]
