"""Did somebody put back what we repaired: then it is owned elsewhere, and repairing it again would be a quarrel."""

from datetime import datetime, timedelta

from prunella_workflows.decisions.guards.case import GuardCase, hold, passed
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.labels import AFTER, BEFORE, LAST_ACTION_AT
from prunella_workflows.model.outcome import Effect, GuardResult
from prunella_workflows.model.plan import RestoreTemplate, SetMemory

_REMEMBERED = timedelta(days=1)


def put_back(case: GuardCase) -> GuardResult:
    """The template is again what our last change replaced, and no longer what that change left."""
    workload, marks = case.workload, case.workload.annotations
    replaced = marks.get(BEFORE, "").endswith(f"-{workload.template_hash}") and bool(workload.template_hash)
    ours = marks.get(AFTER, workload.template_hash) == workload.template_hash
    if isinstance(case.action, RestoreTemplate | SetMemory) and replaced and not ours and _lately(case):
        return hold(
            "RevertedExternally",
            Effect.ESCALATE,
            "OwnedElsewhere",
            f"{workload.ref} was repaired at {marks[LAST_ACTION_AT]}, and somebody has put back what was repaired.",
            f"Make this change in its source: {case.action} ({command(case.action)}).",
        )
    return passed("RevertedExternally")


def _lately(case: GuardCase) -> bool:
    """Whether it was of late. A time that nobody can read is none of ours: annotations are copied and edited."""
    try:
        at = datetime.fromisoformat(case.workload.annotations.get(LAST_ACTION_AT, ""))
    except ValueError:
        return False
    return at.tzinfo is not None and case.now - at < _REMEMBERED
