"""The parameters of detection in telemetry, from the ClusterHealingPolicies."""

from collections.abc import Iterable

from pydantic import ValidationError
from temporalio import activity

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.contracts.telemetry import PolicyActivities, PolicyReading
from prunella_workflows.model.policy import ClusterHealingPolicySpec
from prunella_workflows.model.telemetry_policy import merge_telemetry
from prunella_workflows.model.validation import field_of
from prunella_workflows.temporal.failures import translate_errors


class PolicyActivitiesImpl(PolicyActivities):
    """The contract's activity over a real cluster. Synchronous: it runs in the worker's thread pool."""

    def __init__(self, kube: SyncClient) -> None:
        self._kube = kube

    @activity.defn(name="readTelemetryPolicy")
    def read(self) -> PolicyReading:
        """See the contract."""
        with translate_errors():
            return merge_policies(self._kube.list(paths.policies()))


def merge_policies(policies: Iterable[Object]) -> PolicyReading:
    """Merge the policies in the order of their names, whatever namespaces they select; skip those that are invalid.

    The mode is left out: it may differ by namespace, and decides how alerts are handled, not what is detected.
    """
    found, problems = [], []
    for policy in sorted(policies, key=lambda one: str(one["metadata"]["name"])):
        try:
            found.append(ClusterHealingPolicySpec.model_validate(policy.get("spec") or {}).telemetry)
        except ValidationError as error:
            field = field_of(error.errors()[0])
            problems.append(f"policy {policy['metadata']['name']} is invalid (spec.{field}) and skipped in detection")
    merged = merge_telemetry(*(one.model_copy(update={"mode": None}) for one in found))
    return PolicyReading(parameters=merged, problems=tuple(problems))
