"""The findings of one diagnosis: what its evidence shows, computed once for playbooks, guards and the report."""

from dataclasses import dataclass
from functools import cached_property

from prunella_workflows.decisions.diagnosis import external_cause
from prunella_workflows.decisions.diagnosis.degraded_dependency import find_degraded_dependency
from prunella_workflows.decisions.diagnosis.external_cause import ExternalCause
from prunella_workflows.decisions.diagnosis.symptoms import Symptom, drop_survived, find_symptoms, select_failures
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause

_MAY_BE_SHARED = frozenset(
    {Cause.BAD_RELEASE, Cause.CONFIG_MISSING, Cause.ENVIRONMENT_CHANGED, Cause.POD_CRASH_LOOP, Cause.UNKNOWN}
)


@dataclass(frozen=True)
class Findings:
    """Evidence with what it shows: symptoms, the failures among them, and causes outside of the workload."""

    evidence: Evidence

    @cached_property
    def symptoms(self) -> tuple[Symptom, ...]:
        """Everything that is wrong with the live pods."""
        return find_symptoms(self.evidence.live_pods)

    @cached_property
    def recent_symptoms(self) -> tuple[Symptom, ...]:
        """The symptoms without old terminations that their pods have survived."""
        return drop_survived(self.symptoms, self.evidence)

    @cached_property
    def failures(self) -> tuple[Symptom, ...]:
        """The symptoms that count as failures now, and pods that cannot be created."""
        return select_failures(self.recent_symptoms, self.evidence)

    @cached_property
    def current_failures(self) -> tuple[Symptom, ...]:
        """The failures of the current revision."""
        return self.on_current_revision(self.failures)

    @cached_property
    def missing_objects(self) -> frozenset[str]:
        """The objects that our pods refer to and that do not exist."""
        return external_cause.missing_objects(self.evidence, self.failures)

    @cached_property
    def lost_node(self) -> ExternalCause | None:
        """The node that is lost, if only its pods fail."""
        return external_cause.find_lost_node(self.evidence, self.failures)

    @cached_property
    def dependency(self) -> ExternalCause | None:
        """The dependency that is down or has just come back, if the failures may come from it, or works badly."""
        down = external_cause.find_dependency(self.evidence, self.failures)
        return down or find_degraded_dependency(self.evidence, self.failures)

    @cached_property
    def shared_cause(self) -> ExternalCause | None:
        """The older incident of another workload that lacks the same object."""
        return external_cause.find_shared_cause(self.evidence, self.missing_objects)

    def external_cause(self, cause: Cause) -> ExternalCause | None:
        """The cause outside of the workload that fits the diagnosis, if there is one."""
        if cause is Cause.NODE_LOST:
            return self.lost_node
        if cause is Cause.DEPENDENCY_DOWN:
            return self.dependency
        return self.shared_cause if cause in _MAY_BE_SHARED else None

    def on_current_revision(self, symptoms: tuple[Symptom, ...]) -> tuple[Symptom, ...]:
        """Those of the symptoms that pods of the current revision show."""
        return tuple(symptom for symptom in symptoms if symptom.revision == self.evidence.workload.revision)
