"""The facts of one diagnosis: all that its decision is made from, so that it can be recorded and made again."""

from prunella_workflows.model.autonomy import TrackRecord
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.policy import PolicyLayer
from prunella_workflows.model.repair_slot import RepairSlots


class Facts(Value):
    """Evidence about a workload, the policies that select it (the most specific last), and the use of the budgets.

    `healthy_percent`: the share of the namespace's workloads that are healthy; None where no policy asks for it.
    `track_record`: None where autonomy is not to be earned.
    """

    evidence: Evidence
    policies: tuple[PolicyLayer, ...] = ()
    slots: RepairSlots = RepairSlots()
    healthy_percent: float | None = None
    protected_namespaces: tuple[str, ...] = ()
    track_record: TrackRecord | None = None
