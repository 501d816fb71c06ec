"""The root causes Prunella knows, specific first: the first playbook that recognises the evidence decides."""

from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.relapse import find_repair_in_force
from prunella_workflows.decisions.playbooks import (
    bad_release,
    dependency_down,
    environment_changed,
    first_release,
    high_cpu,
    high_memory,
    missing_variable,
    network_timeout,
    node_lost,
    pod_crash_loop,
    pod_oom_killed,
    surroundings,
    unknown,
)
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.decisions.playbooks.report_only import replace_plan
from prunella_workflows.decisions.playbooks.resume import earlier_incidents, resume
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected, Verdict
from prunella_workflows.model.plan import Plan, RestoreTemplate, SetMemory
from prunella_workflows.model.policy import EffectivePolicy

__all__ = ["PLAYBOOKS", "decide", "earlier_incidents"]

PLAYBOOKS: tuple[Playbook, ...] = (
    node_lost.PLAYBOOK,
    pod_oom_killed.PLAYBOOK,
    dependency_down.PLAYBOOK,
    bad_release.PLAYBOOK,
    *surroundings.PLAYBOOKS,
    dependency_down.BY_OUTPUT,
    network_timeout.PLAYBOOK,
    first_release.PLAYBOOK,
    missing_variable.PLAYBOOK,
    environment_changed.PLAYBOOK,
    pod_crash_loop.PLAYBOOK,
    high_cpu.PLAYBOOK,
    high_memory.PLAYBOOK,
    unknown.PLAYBOOK,
)


def decide(findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...] = ()) -> tuple[Diagnosis, Plan]:
    """The root cause, with the causes that were ruled out, and the plan for what is left to try."""
    held = find_repair_in_force(findings.evidence, tried)
    if held is not None and held.attempt.action == SetMemory.__name__:
        findings = Findings(findings.evidence.model_copy(update={"raised_from": held.before.template_hash}))
    rejected: list[Rejected] = []
    for playbook in PLAYBOOKS:
        answer = _ruled_out(playbook.cause, tried) or playbook.diagnose(findings)
        if isinstance(answer, Diagnosis):
            diagnosis = answer.model_copy(update={"rejected": tuple(rejected)})
            case = PlanCase(diagnosis, findings, policy, tried, held)
            plan = _verify_by_telemetry(resume(playbook.plan(case), case), findings)
            return diagnosis, replace_plan(diagnosis, plan, findings)
        rejected.append(answer)
    raise AssertionError("the last playbook recognises everything")


def _verify_by_telemetry(plan: Plan, findings: Findings) -> Plan:
    """Make the end of an anomaly part of the proof that a repair helped, if telemetry shows one."""
    if not open_anomalies(findings.evidence):
        return plan
    steps = (
        step.model_copy(update={"settle": step.settle.model_copy(update={"telemetry": True})}) for step in plan.steps
    )
    return plan.model_copy(update={"steps": tuple(steps)})


def _ruled_out(cause: Cause, tried: tuple[Attempt, ...]) -> Rejected | None:
    """A cause that its own repair has disproved: a rollback that did not help acquits the release."""
    bad = (Verdict.NOT_HEALED, Verdict.WORSE)
    failed = any(attempt.action == RestoreTemplate.__name__ and attempt.verdict in bad for attempt in tried)
    if cause is not Cause.BAD_RELEASE or not failed:
        return None
    return Rejected(cause=cause, reason="a rollback did not help")
