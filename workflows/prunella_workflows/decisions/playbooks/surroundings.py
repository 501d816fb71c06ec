"""Causes around the workload that the cluster itself names: nothing is written, and a person gets the object's name."""

from collections.abc import Callable

from prunella_workflows.decisions.diagnosis import culprits
from prunella_workflows.decisions.diagnosis.culprits import Culprit
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan

Find = Callable[[Findings], Culprit | None]


def _playbook(cause: Cause, summary: str, otherwise: str, find: Find) -> Playbook:
    """The playbook that reports what `find` finds. `otherwise` is the reason for which the cause is ruled out."""

    def diagnose(findings: Findings) -> Diagnosis | Rejected:
        culprit = find(findings)
        if culprit is None:
            return Rejected(cause=cause, reason=otherwise)
        return Diagnosis(
            cause=cause,
            confidence=0.9,
            message=culprit.message.replace("..", "."),
            container=culprit.failures[0].container if culprit.failures else "",
            decided_by=tuple(map(str, culprit.failures[:4])) or (culprit.message,),
            caused_by=CausedBy(target=culprit.target, message=culprit.message),
        )

    def plan(case: PlanCase) -> Plan:
        culprit = find(case.findings)
        assert culprit is not None
        reason = "".join(part.capitalize() for part in cause.split("_"))
        return Plan(reason=reason, message=case.diagnosis.message, next_step=culprit.next_step)

    return Playbook(cause=cause, summary=summary, steps=("escalate, naming it",), diagnose=diagnose, plan=plan)


PLAYBOOKS = (
    _playbook(
        Cause.CONFIG_MISSING,
        "A Secret, a ConfigMap or another object that the pods refer to does not exist.",
        "nothing that the pods refer to is reported missing",
        culprits.find_missing_object,
    ),
    _playbook(
        Cause.IMAGE_UNAVAILABLE,
        "An image cannot be pulled, and no release explains it.",
        "no pull of an image fails",
        culprits.find_unavailable_image,
    ),
    _playbook(
        Cause.QUOTA_EXCEEDED,
        "A ResourceQuota leaves no room for the pods.",
        "no quota refuses the pods",
        culprits.find_exceeded_quota,
    ),
    _playbook(
        Cause.ADMISSION_REFUSED,
        "The API server or one of its webhooks refuses the pods.",
        "the pods can be created",
        culprits.find_refusing_admission,
    ),
    _playbook(
        Cause.NODE_PRESSURE,
        "A node is short of memory, disk or process ids, and evicts pods or takes none.",
        "no node of the pods reports pressure, and none was evicted",
        culprits.find_pressed_node,
    ),
    _playbook(
        Cause.UNSCHEDULABLE,
        "No node takes the pods, and no release explains it.",
        "the pods have nodes",
        culprits.find_full_nodes,
    ),
    _playbook(
        Cause.SANDBOX_FAILED,
        "The runtime or the network plugin of a node cannot make the sandbox of a pod.",
        "no sandbox fails",
        culprits.find_failed_sandbox,
    ),
    _playbook(
        Cause.VOLUME_UNAVAILABLE,
        "A volume cannot be attached or mounted.",
        "no volume fails",
        culprits.find_unavailable_volume,
    ),
)
