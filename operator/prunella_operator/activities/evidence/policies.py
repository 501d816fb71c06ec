"""The policies of a workload, and the effective one: the built-in one, overlaid by them, most specific last."""

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.policies.kinds import CLUSTER, NAMESPACED
from prunella_workflows.model import policy
from prunella_workflows.model.policy_merge import merge_layers
from prunella_workflows.model.workload import WorkloadView


def effective_policy(
    kube: SyncClient, workload: WorkloadView, namespace_labels: dict[str, str]
) -> policy.EffectivePolicy:
    """The policy of one workload. Raises InvalidIncident, see `read_layers`."""
    return merge_layers(read_layers(kube, workload, namespace_labels), namespace_labels)


def read_layers(
    kube: SyncClient, workload: WorkloadView, namespace_labels: dict[str, str]
) -> tuple[policy.PolicyLayer, ...]:
    """The policies that select one workload.

    Raises InvalidIncident, which names policy and field, if one that selects it does not parse.
    """
    namespace = workload.ref.namespace
    wide = CLUSTER.select(kube.list(paths.policies()), namespace_labels, kube.namespace)
    local = NAMESPACED.select(kube.list(paths.policies(namespace)), workload.labels, namespace)
    return (*wide, *local)
