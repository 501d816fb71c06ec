"""No playbook matched. Prunella does not guess: it changes nothing and escalates with the evidence."""

from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import measure_evidence, saturated_resource
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.decisions.telemetry.alerts import describe
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.telemetry import Anomaly, SplitKind, readable


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match always, with no confidence."""
    evidence = findings.evidence
    message = f"No playbook recognises this {evidence.incident.type} of {evidence.workload.ref}."
    return Diagnosis(cause=Cause.UNKNOWN, confidence=0.0, message=message)


def plan(case: PlanCase) -> Plan:
    """Escalate without a change."""
    evidence = case.findings.evidence
    if not case.findings.failures and (anomalies := open_anomalies(evidence)):
        return _plan_for_anomaly(anomalies[0], evidence)
    if evidence.alert_since is not None and not case.findings.failures:
        return _plan_for_firing_alert(evidence)
    return Plan(reason="NoPlaybook", message=case.diagnosis.message, next_step="See the evidence in the status.")


def _plan_for_firing_alert(evidence: Evidence) -> Plan:
    """The pods look well, and something else measures that they are not."""
    workload, resource = evidence.workload, saturated_resource(evidence.incident.type)
    load = measure_evidence(resource, evidence) if resource is not None else None
    measured = str(load) if load is not None else evidence.usage_note or "no pod has failed"
    return Plan(
        reason="AlertStillFiring",
        message=(
            f"The alert has fired since {evidence.alert_since:%Y-%m-%d %H:%M} UTC, although {workload.ready_replicas} "
            f"of {workload.replicas} pods are ready: {measured}."
        ),
        next_step="Look at what the alert measures; the incident's description and annotations name it.",
    )


def _plan_for_anomaly(anomaly: Anomaly, evidence: Evidence) -> Plan:
    """Telemetry alone decides no write, so a person gets what it shows."""
    trace = next(map(readable, anomaly.traces), "")
    return Plan(
        reason="AnomalyPersists",
        message=f"{evidence.workload.ref}: {describe(anomaly)}, although its pods are well.",
        next_step=_look_at(anomaly, evidence) + (f" A trace of it: {trace}" if trace else ""),
    )


def _look_at(anomaly: Anomaly, evidence: Evidence) -> str:
    """The place to look at, by the part that is affected. Names must be those of the cluster: they end in a shell."""
    name, ref = anomaly.split.name, evidence.workload.ref
    if anomaly.split.kind is SplitKind.ONE_POD and name in {pod.name for pod in evidence.live_pods}:
        return f"Only pod {name} is affected; to replace it: kubectl delete pod {name} -n {ref.namespace}"
    if anomaly.split.kind is SplitKind.ONE_NODE and name in {pod.node for pod in evidence.live_pods}:
        return f"Only its pods on node {name} are affected: kubectl describe node {name}"
    if anomaly.split.kind is SplitKind.NEW_PODS:
        return f"Only its newest pods are affected: kubectl rollout history {ref} -n {ref.namespace}"
    return "See what changed at its onset: load, configuration, and what it depends on."


PLAYBOOK = Playbook(
    cause=Cause.UNKNOWN,
    summary="Anything else.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
