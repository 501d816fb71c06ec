"""The root causes Prunella knows, specific first: the first playbook that recognises the evidence decides."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import (
    bad_release,
    dependency_down,
    high_cpu,
    high_memory,
    network_timeout,
    node_lost,
    pod_crash_loop,
    pod_oom_killed,
    unknown,
)
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.decisions.playbooks.report_only import replace_plan
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy

PLAYBOOKS: tuple[Playbook, ...] = (
    node_lost.PLAYBOOK,
    pod_oom_killed.PLAYBOOK,
    dependency_down.PLAYBOOK,
    bad_release.PLAYBOOK,
    network_timeout.PLAYBOOK,
    pod_crash_loop.PLAYBOOK,
    high_cpu.PLAYBOOK,
    high_memory.PLAYBOOK,
    unknown.PLAYBOOK,
)


def decide(findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...] = ()) -> tuple[Diagnosis, Plan]:
    """The root cause, with the causes that were ruled out, and the plan for what is left to try."""
    rejected: list[Rejected] = []
    for playbook in PLAYBOOKS:
        answer = playbook.diagnose(findings)
        if isinstance(answer, Diagnosis):
            diagnosis = answer.model_copy(update={"rejected": tuple(rejected)})
            plan = playbook.plan(PlanCase(diagnosis, findings, policy, tried))
            return diagnosis, replace_plan(diagnosis, plan, findings)
        rejected.append(answer)
    raise AssertionError("the last playbook recognises everything")
