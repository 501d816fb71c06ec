"""The command that a person would type for each action."""

import pytest
from builders import MI, a_higher_maximum, a_memory_raise, a_restart, a_rollback, a_scaling, an_eviction

from prunella_workflows.model.kubectl import command
from prunella_workflows.model.workload import RevisionRef

KEPT = RevisionRef(source="Snapshot", name="web-prunella-1", template_hash="hash-1")


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (a_memory_raise(), "kubectl set resources Deployment/web -n shop -c app --limits=memory=96Mi"),
        (
            a_memory_raise(request_to=48 * MI),
            "kubectl set resources Deployment/web -n shop -c app --limits=memory=96Mi --requests=memory=48Mi",
        ),
        (a_rollback(number=4), "kubectl rollout undo Deployment/web -n shop --to-revision=4"),
        (
            a_rollback(revision=KEPT),
            "restore the template that this shows: kubectl get controllerrevision web-prunella-1 -n shop -o yaml",
        ),
        (an_eviction(), "kubectl delete pod web-2-a -n shop"),
        (a_restart(), "kubectl rollout restart Deployment/web -n shop"),
        (a_scaling(), "kubectl scale Deployment/web -n shop --replicas=5"),
        (a_higher_maximum(), """kubectl patch hpa web -n shop --type merge -p '{"spec":{"maxReplicas":5}}'"""),
    ],
)
def test_command(action, text):
    assert command(action) == text
