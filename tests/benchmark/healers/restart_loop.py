"""Restarts whatever is not served for a minute, as `kubectl rollout restart` does."""

from benchmark.healers.watching import Workloads, heal
from support.api import Object

from prunella_operator import clock


def restart(workload: Object, at: str) -> Object | None:
    """The patch of a restart; None where kubectl refuses one, too: a paused rollout."""
    if workload["spec"].get("paused"):
        return None
    marks = {"kubectl.kubernetes.io/restartedAt": at}
    return {"spec": {"template": {"metadata": {"annotations": marks}}}}


def _act(workloads: Workloads, workload: Object) -> None:
    if patch := restart(workload, clock.now().isoformat()):
        workloads.patch(workload, patch, "application/merge-patch+json")


if __name__ == "__main__":
    heal(_act)
