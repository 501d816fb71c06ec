"""Evidence from metrics: the usage of the pods, if saturation is the problem, and leaks of killed containers."""

from typing import Any

from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.decisions.diagnosis.memory_kills import may_be_kill
from prunella_workflows.decisions.diagnosis.memory_leak import is_leaking, stayed_low
from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.evidence import Evidence, Usage
from prunella_workflows.model.measurement import NoData, Why


def measure_usage(reader: UsageReader, evidence: Evidence, *, full: bool) -> dict[str, Any]:
    """The fields of the evidence that come from metrics. Without data they stay empty, and a note gives the reason."""
    symptoms = find_symptoms(evidence.live_pods) if full else ()
    killed = sorted({symptom.container for symptom in symptoms if may_be_kill(symptom)})
    saturated = saturated_resource(evidence.incident.type) is not None
    if not killed and not saturated:
        return {}
    usage = reader.now(evidence.workload.ref, evidence.live_pods)
    if not isinstance(usage, Usage):
        expected = saturated or usage.why is not Why.NOT_CONFIGURED
        return {"usage_note": f"The usage of the pods is unknown: {usage}."} if expected else {}
    return {"usage": usage, **(_judge_growth(reader, evidence, killed) if killed else {})}


def _judge_growth(reader: UsageReader, evidence: Evidence, killed: list[str]) -> dict[str, tuple[str, ...]]:
    """The killed containers whose memory grew up to the limit, and those whose memory stayed far below it."""
    found = reader.growth(evidence.workload.ref, evidence.live_pods)
    if isinstance(found, NoData):  # without a history nothing is suspected
        return {}
    pods = evidence.live_pods
    return {
        "memory_growing": tuple(name for name in killed if is_leaking(name, pods, found)),
        "memory_low": tuple(name for name in killed if stayed_low(name, pods, found)),
    }
