"""Limits of a real namespace: quotas and LimitRanges as they are counted, and the outcome of exceeding them."""

import pytest
from support.api import until
from support.deployments import a_deployment, available, precondition_of, ref_of

from prunella_operator import clock
from prunella_operator.activities.verify import Verifier
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_of
from prunella_workflows.contracts.healing import RepairOrder, VerifyRequest
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.outcome import Baseline, Verdict
from prunella_workflows.model.plan import SetMemory, Settle

pytestmark = pytest.mark.integration

MI = 1 << 20
SPEC = IncidentSpec(type=IncidentType.OOM_KILLED, target=TargetRef(kind="Deployment", name="web"))


def quota(api, namespace, **hard):
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {"hard": hard}}
    api.create(paths.core(namespace, "resourcequotas"), body)
    path = paths.core(namespace, "resourcequotas", "all")
    until(lambda: (api.get(path).get("status") or {}).get("hard") == hard, 90, "the quota counts", every=0.1)


def limit_range(api, namespace, **limit):
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "all"}}
    limits = [{"type": "Container", **{key: {"memory": value} for key, value in limit.items()}}]
    api.create(paths.core(namespace, "limitranges"), {**body, "spec": {"limits": limits}})


def memory(web, to):
    action = SetMemory(
        target=ref_of(web),
        require=precondition_of(web),
        container="app",
        limit_from=64 * MI,
        limit_to=to,
        request_from=16 * MI,
        request_to=16 * MI,
    )
    return RepairOrder(
        incident=IncidentRef(namespace=web["metadata"]["namespace"], name="web-1", uid="u"),
        action_id="u-1",
        action=action,
    )


def killed(api, namespace):
    """A container that gets OOM-killed: it allocates 200 MiB with a limit of 64."""
    (web,) = api.apply(a_deployment(namespace, replicas=1, env={"SHOP_MEMORY_MIB": "200"}))

    def seen():
        states = [
            state.get("terminated", {}).get("reason")
            for pod in api.pods(namespace)
            for status in pod["status"].get("containerStatuses", ())
            for state in (status["state"], status["lastState"])
        ]
        return "OOMKilled" in states

    until(seen, 60, "the container is OOM-killed")
    return api.get(paths.workload(ref_of(web)))


def test_quota_limit_range_and_node_as_they_are_counted(evidence_collector, api, namespace):
    limit_range(api, namespace, max="300Mi", maxLimitRequestRatio="8")
    quota(api, namespace, **{"limits.memory": "512Mi", "memory": "256Mi"})
    web = killed(api, namespace)
    evidence = evidence_collector.evidence(ref_of(web), SPEC, clock.now(), full=True)
    bounds = evidence.bounds
    assert bounds.quota_limits_free == (512 - 64) * MI
    assert bounds.quota_requests_free == (256 - 16) * MI
    assert (bounds.container_max, bounds.ratio_max) == (300 * MI, 8.0)
    assert bounds.node_max > 1 << 30
    assert evidence.workload.revision
    assert evidence.pods[0].containers[0].terminations[0].reason == "OOMKilled"


@pytest.mark.parametrize("by", ["quota", "LimitRange"])
def test_more_than_the_namespace_allows_is_seen_as_not_healed(repairer, evidence_collector, api, namespace, by):
    """The API server accepts such a template and refuses its pods. A plan stays within the quota, which may shrink."""
    web = available(api, api.apply(a_deployment(namespace, replicas=1))[0])
    if by == "quota":
        quota(api, namespace, **{"limits.memory": "128Mi"})
    else:
        limit_range(api, namespace, max="100Mi")
    done = repairer.repair(memory(web, 256 * MI))
    request = VerifyRequest(
        target=ref_of(web),
        action_id=done.action_id,
        template_hash=done.template_hash,
        written_at=done.written_at,
        baseline=Baseline(available=1),
        settle=Settle(timeout=3, window=1),
    )
    verifier = Verifier(evidence_collector)
    judged = until(lambda: found if (found := verifier.verify(request)).verdict else None, 90, "a verdict")
    assert judged.verdict is Verdict.NOT_HEALED
    assert judged.reason == "NoPods"
    repairer.undo(RepairOrder(incident=memory(web, 0).incident, action_id="u-1-undo", action=done.undo))
    assert template_of(api.get(paths.workload(ref_of(web)))) == template_of(web)
