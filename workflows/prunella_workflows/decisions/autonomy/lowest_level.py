"""The lowest level of an action: Approval where what people do never shows whether an observed plan would have helped.

At Observe such an action could fail, and never succeed: it would stay there.
"""

from prunella_workflows.model.autonomy import AutonomyLevel
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.plan import Action, ResizePods, Restart, RestoreTemplate, SetMemory, Settle, Step
from prunella_workflows.model.policy import EffectivePolicy

JUDGED_ACTIONS = frozenset(action.__name__ for action in (SetMemory, ResizePods, RestoreTemplate, Restart))
"""The actions that are recognised when people make the same change."""
SEEN_IN_PODS = frozenset(
    {
        IncidentType.POD_CRASH_LOOP,
        IncidentType.OOM_KILLED,
        IncidentType.IMAGE_PULL_FAILURE,
        IncidentType.CONFIG_ERROR,
        IncidentType.PROBE_FAILURE,
        IncidentType.UNAVAILABLE,
    }
)
"""The faults whose end is seen in the pods."""


def find_lowest(step: Step | None, evidence: Evidence, policy: EffectivePolicy) -> AutonomyLevel:
    """The lowest level of the next step of an incident."""
    if step is None:
        return AutonomyLevel.OBSERVE
    unread = restarts_readers(step.action, evidence.workload.references)
    if unread or evidence.incident.type not in SEEN_IN_PODS or is_measured(step.settle):
        return AutonomyLevel.APPROVAL
    return lowest_of_action(step.action.kind, policy)


def restarts_readers(action: Action, references: tuple[str, ...]) -> bool:
    """Report whether an action restarts each container that reads one of these ConfigMaps and Secrets.

    Who makes the same change may have corrected them just before. A rollback often leaves pods alone that read them.
    """
    return bool(references) and not isinstance(action, RestoreTemplate)


def lowest_of_action(action: str, policy: EffectivePolicy) -> AutonomyLevel:
    """The lowest level of an action in all incidents."""
    is_judged = action in JUDGED_ACTIONS and not policy.verification.checks
    return AutonomyLevel.OBSERVE if is_judged else AutonomyLevel.APPROVAL


def is_measured(settle: Settle) -> bool:
    """Report whether measurements, which are not kept, would have verified the step."""
    return settle.relief is not None or settle.telemetry or bool(settle.checks)
