"""The guard against repairing again what someone has reverted: another tool or team owns that change."""

from datetime import datetime, timedelta

from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.labels import AFTER, BEFORE, LAST_ACTION_AT
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import RestoreTemplate, SetMemory

_REVERT_WINDOW = timedelta(days=1)


def check_reverted(case: GuardCase) -> Block | None:
    """Block when the template is again what our last change replaced: repairing it again would start a tug-of-war."""
    workload, annotations = case.workload, case.workload.annotations
    replaced = annotations.get(BEFORE, "").endswith(f"-{workload.template_hash}") and bool(workload.template_hash)
    ours = annotations.get(AFTER, workload.template_hash) == workload.template_hash
    if not isinstance(case.action, RestoreTemplate | SetMemory) or not replaced or ours or not _is_recent(case):
        return None
    return Block(
        Effect.ESCALATE,
        "OwnedElsewhere",
        f"Prunella repaired {workload.ref} at {annotations[LAST_ACTION_AT]}, and the repair has since been reverted.",
        f"Make this change in its source: {case.action} ({command(case.action)}).",
    )


def _is_recent(case: GuardCase) -> bool:
    """Report whether our last action was recent. Ignore unreadable times: annotations are copied and edited."""
    try:
        at = datetime.fromisoformat(case.workload.annotations.get(LAST_ACTION_AT, ""))
    except ValueError:
        return False
    return at.tzinfo is not None and case.now - at < _REVERT_WINDOW
