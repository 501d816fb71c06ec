"""The guard for init containers that run: a migration that is cut off half-way is worse than a release that waits."""

from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import Restart, RestoreTemplate, SetMemory


def check_running_init_container(case: GuardCase) -> Block | None:
    """Block a rollout that would interrupt an init container: until the owner's deadline, then for good."""
    init = case.running_init
    if init is None or not isinstance(case.action, RestoreTemplate | Restart | SetMemory):
        return None
    message = f"Init container {init.container} of pod {init.pod} still runs, and a rollout would cut it off"
    if case.now < init.until:
        message = f"{message}; it has until {init.until:%H:%M:%S} UTC (deadline of the rollout)."
        return Block(Effect.WAIT, "InitContainerRunning", message)
    next_step = f"See what it does: kubectl logs {init.pod} -c {init.container} -n {case.workload.ref.namespace}"
    return Block(Effect.ESCALATE, "InitContainerRunning", f"{message}; its deadline is over.", next_step)
