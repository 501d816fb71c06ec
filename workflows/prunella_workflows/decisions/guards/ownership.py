"""Guards for changes that belong to others, such as fields that Git or Helm own, and for releases that roll out."""

from collections.abc import Iterable
from datetime import timedelta

from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.labels import AFTER, BEFORE, LAST_ACTION_AT
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import (
    EvictPods,
    RaiseMaxReplicas,
    ResizePods,
    Restart,
    RestoreTemplate,
    Scale,
    SetMemory,
    TemplateAction,
)
from prunella_workflows.model.policy import GitOps
from prunella_workflows.model.scaling import FieldOwners

_ROLLOUT_GRACE = timedelta(minutes=2)
_REVERT_WINDOW = timedelta(days=1)
_ARGO, _FLUX, _HELM = "Argo CD", "Flux", "Helm"
_MANAGERS = (
    ("argocd", _ARGO),
    ("kustomize-controller", _FLUX),
    ("helm-controller", _FLUX),
    ("flux", _FLUX),
    ("helm", _HELM),
)
_NOT_TOOLS = ("kubectl", "kube-controller-manager", "prunella")
"""Prefixes of the field managers of people, the cluster and Prunella. The cluster's autoscalers are read as objects."""


def check_paused_rollout(case: GuardCase) -> Block | None:
    """Block while the rollout is paused. The API server does not protect a paused rollout from patches."""
    ref = case.workload.ref
    if not case.workload.paused:
        return None
    message = f"The rollout of {ref} is paused."
    return Block(Effect.ESCALATE, "Paused", message, f"kubectl rollout resume {ref} -n {ref.namespace}")


def check_on_delete_strategy(case: GuardCase) -> Block | None:
    """Block template changes that wait for the owner, who replaces the pods by hand.

    A rollback of a StatefulSet passes if it replaces every failing pod: the others were not replaced yet.
    """
    action, workload = case.action, case.workload
    if not isinstance(action, TemplateAction) or workload.strategy.kind != "OnDelete":
        return None
    replaced = {pod.name for pod in action.replace_pods}
    if isinstance(action, RestoreTemplate) and replaced and replaced.issuperset(case.failing_pods):
        return None
    message = f"{workload.ref} uses the OnDelete strategy: its owner replaces the pods by hand."
    return Block(Effect.ESCALATE, "OnDelete", message, f"{command(action)}; then delete the failing pods.")


def check_partition(case: GuardCase) -> Block | None:
    """Block template changes that a failing pod would not receive, because the partition holds it on its revision."""
    action, workload = case.action, case.workload
    held = next(filter(workload.is_held, case.failing_pods), None)
    if not isinstance(action, TemplateAction) or held is None:
        return None
    message = f"The partition of {workload.ref} ({workload.strategy.partition}) holds pod {held} on its revision."
    next_step = f"{command(action)}; then lower the partition, and delete the failing pods."
    return Block(Effect.ESCALATE, "Partition", message, next_step)


def check_custom_owner(case: GuardCase) -> Block | None:
    """Block changes of a workload that a custom resource owns: its operator would revert them at once.

    Some operators do not mark their resource as the controller, so any owner counts.
    """
    owner, ref = next(iter(case.workload.custom_owners), None), case.workload.ref
    if owner is None:
        return None
    change = f"Make this change there: {case.action}. " if case.action else ""
    edit = f"kubectl edit {owner.kind.lower()}.{owner.group} {owner.name} -n {ref.namespace}"
    return Block(Effect.ESCALATE, "CustomResourceOwned", case.workload.ownership, change + edit)


def check_field_owner(case: GuardCase) -> Block | None:
    """Block changes of a field that Git, Helm or a server-side apply owns: the owner would revert it or be refused."""
    target, owner = _target_and_owner(case)
    if not owner or case.policy.git_ops is GitOps.ACT:
        return None
    change = f"Make this change in its source: {case.action} ({command(case.action)})." if case.action else ""
    return Block(Effect.ESCALATE, "OwnedElsewhere", f"{target} is managed by {owner}.", change)


def _target_and_owner(case: GuardCase) -> tuple[str, str]:
    """The object or field that would change, and the tool that owns that very field ("" for none)."""
    workload, action = case.workload, case.action
    if isinstance(action, ResizePods | EvictPods):  # sources hold the template only, not running pods
        return str(workload.ref), ""
    if isinstance(action, RaiseMaxReplicas):
        for autoscaler in case.scaling.autoscalers:
            if autoscaler.name == action.autoscaler:
                tool = _labelled_tool({**autoscaler.labels, **autoscaler.annotations})
                owner = autoscaler.operator or _field_owner("maxReplicas", autoscaler.owners, tool)
                return str(autoscaler), owner or first_foreign(autoscaler.appliers.get("maxReplicas", ()))
    tool = _labelled_tool({**workload.labels, **workload.annotations})
    if isinstance(action, Scale):
        owner = _field_owner("replicas", workload.owners, tool) or first_foreign(workload.appliers.get("replicas", ()))
        return f"The number of replicas of {workload.ref}", owner
    # A restart only adds an annotation, which no applied manifest holds.
    appliers = () if isinstance(action, Restart) else workload.appliers.get("template", ())
    return str(workload.ref), tool or _managing_tool(workload.owners.get("template", ())) or first_foreign(appliers)


def _field_owner(field: str, owners: FieldOwners, labelled: str) -> str:
    """The owner of a field that tools often leave to others: field managers decide, labels alone do not.

    Where a labelled object lists no managers, or an unknown manager owns the field, assume the tool that labelled it:
    it may be that tool under another name.
    """
    managers = owners.get(field, ())
    return _managing_tool(managers) or (labelled if first_foreign(managers) or not owners else "")


def first_foreign(managers: Iterable[str]) -> str:
    """The first field manager that is neither a person's kubectl, nor the cluster, nor Prunella; "" for none."""
    return next((manager for manager in managers if not manager.startswith(_NOT_TOOLS)), "")


def _managing_tool(managers: tuple[str, ...]) -> str:
    return next((tool for name, tool in _MANAGERS if any(manager.startswith(name) for manager in managers)), "")


def _labelled_tool(marks: dict[str, str]) -> str:
    """The tool whose labels or annotations an object has."""
    if "argocd.argoproj.io/tracking-id" in marks:
        return _ARGO
    if any(key.startswith(("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")) for key in marks):
        return _FLUX
    if "meta.helm.sh/release-name" in marks or marks.get("app.kubernetes.io/managed-by") == _HELM:
        return _HELM
    return ""


def check_reverted(case: GuardCase) -> Block | None:
    """Block when the template is again what our last change replaced: repairing it again would start a tug-of-war."""
    workload, annotations = case.workload, case.workload.annotations
    replaced = annotations.get(BEFORE, "").endswith(f"-{workload.template_hash}") and bool(workload.template_hash)
    ours = annotations.get(AFTER, workload.template_hash) == workload.template_hash
    if not isinstance(case.action, RestoreTemplate | SetMemory) or not replaced or ours or not _acted_recently(case):
        return None
    message = (
        f"Prunella repaired {workload.ref} at {annotations[LAST_ACTION_AT]}, and the repair has since been reverted."
    )
    next_step = f"Make this change in its source: {case.action} ({command(case.action)})."
    return Block(Effect.ESCALATE, "OwnedElsewhere", message, next_step)


def _acted_recently(case: GuardCase) -> bool:
    """Report whether our last action was recent."""
    at = case.last_action_at
    return at is not None and case.now - at < _REVERT_WINDOW


def check_rollout_in_progress(case: GuardCase) -> Block | None:
    """Block while a release that is newer than the fault, or a repair of a lost run, rolls out: let it finish first."""
    if case.workload.complete:
        return None
    if case.unjudged_since is not None and case.now - case.unjudged_since < _ROLLOUT_GRACE:
        message = f"A repair of {case.workload.ref} is rolling out; waiting for it to finish."
        return Block(Effect.WAIT, "RolloutInProgress", message)
    since, opened = case.release_since, case.opened_at
    if since is None or opened is None or since <= opened or case.now - since >= _ROLLOUT_GRACE:
        return None
    message = f"A new release of {case.workload.ref} is rolling out; waiting for it to finish."
    return Block(Effect.WAIT, "RolloutInProgress", message)
