"""Is it ours to change: a paused rollout, pods that only their owner replaces, fields that Git or Helm own, a release
that somebody rolls out just now.
"""

from datetime import timedelta

from prunella_workflows.decisions.guards.case import GuardCase, hold, passed
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.outcome import Effect, GuardResult
from prunella_workflows.model.plan import RaiseMaxReplicas, ResizePods, Restart, Scale, TemplateAction
from prunella_workflows.model.policy import GitOps
from prunella_workflows.model.scaling import FieldOwners

_ROLLOUT_PATIENCE = timedelta(minutes=2)
_ARGO, _FLUX, _HELM = "Argo CD", "Flux", "Helm"
_MANAGERS = (
    ("argocd", _ARGO),
    ("kustomize-controller", _FLUX),
    ("helm-controller", _FLUX),
    ("flux", _FLUX),
    ("helm", _HELM),
)
_NO_TOOLS = ("kubectl", "kube-controller-manager")
_OURS = "prunella"


def paused(case: GuardCase) -> GuardResult:
    """Somebody paused the rollout on purpose. The API server does not protect it from a patch: we must."""
    if case.workload.paused:
        return hold(
            "PausedRollout",
            Effect.ESCALATE,
            "Paused",
            f"The rollout of {case.workload.ref} is paused.",
            f"kubectl rollout resume {case.workload.ref} -n {case.workload.ref.namespace}",
        )
    return passed("PausedRollout")


def replaced_by_hand(case: GuardCase) -> GuardResult:
    """Pods that only their owner replaces see nothing of a changed template. Those of a StatefulSet that are broken
    Prunella replaces itself; a restart has none of these.
    """
    action, workload = case.action, case.workload
    waits = isinstance(action, TemplateAction) and workload.strategy.kind == "OnDelete"
    if action is not None and waits and (workload.ref.kind == "DaemonSet" or isinstance(action, Restart)):
        return hold(
            "OnDeleteStrategy",
            Effect.ESCALATE,
            "OnDelete",
            f"{workload.ref} lets its owner replace its pods (OnDelete): a new template alone mends none.",
            f"{command(action)}; then delete the pods that fail.",
        )
    return passed("OnDeleteStrategy")


def gitops_owned(case: GuardCase) -> GuardResult:
    """A field that Git or Helm owns is changed there: our change would be reverted or would fight the owner."""
    what, owner = _owner(case)
    if owner and case.policy.git_ops is not GitOps.ACT:
        return hold(
            "GitOpsOwned",
            Effect.ESCALATE,
            "OwnedElsewhere",
            f"{what} is managed by {owner}.",
            f"Make this change in its source: {case.action} ({command(case.action)})." if case.action else "",
        )
    return passed("GitOpsOwned")


def _owner(case: GuardCase) -> tuple[str, str]:
    """The object whose field would be changed, and the tool that owns that very field ("" for none)."""
    workload, action = case.workload, case.action
    if isinstance(action, ResizePods):  # what runs is in no source: only the template is
        return str(workload.ref), ""
    marks = {**workload.labels, **workload.annotations}
    if isinstance(action, RaiseMaxReplicas):
        for autoscaler in case.scaling.autoscalers:
            if autoscaler.name == action.autoscaler:
                marks = {**autoscaler.labels, **autoscaler.annotations}
                return str(autoscaler), autoscaler.operator or _owner_of(
                    "maxReplicas", autoscaler.owners, _marked(marks)
                )
    if isinstance(action, Scale):
        return f"The number of replicas of {workload.ref}", _owner_of("replicas", workload.owners, _marked(marks))
    return str(workload.ref), _marked(marks) or _tool(workload.owners.get("template", ()))


def _owner_of(field: str, owners: FieldOwners, marked: str) -> str:
    """Who owns a field that tools often leave to others: its field managers tell, and a mark alone does not.

    Where an object is marked and does not tell its managers, or a manager that we do not know owns the field, that may
    be the tool under another name.
    """
    managers = owners.get(field, ())
    strange = [manager for manager in managers if manager != _OURS and not manager.startswith(_NO_TOOLS)]
    return _tool(managers) or (marked if strange or not owners else "")


def _tool(managers: tuple[str, ...]) -> str:
    return next((tool for name, tool in _MANAGERS if any(manager.startswith(name) for manager in managers)), "")


def _marked(marks: dict[str, str]) -> str:
    """The tool whose marks an object bears."""
    if "argocd.argoproj.io/tracking-id" in marks:
        return _ARGO
    if any(key.startswith(("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")) for key in marks):
        return _FLUX
    if "meta.helm.sh/release-name" in marks or marks.get("app.kubernetes.io/managed-by") == _HELM:
        return _HELM
    return ""


def rollout_by_a_person(case: GuardCase) -> GuardResult:
    """Somebody rolled out something since the fault was seen: let it finish before judging it."""
    since, opened = case.release_since, case.opened_at
    fresh = since is not None and opened is not None and since > opened and case.now - since < _ROLLOUT_PATIENCE
    if fresh and not case.workload.complete:
        message = f"A new release of {case.workload.ref} is being rolled out; waiting for it."
        return hold("RolloutInProgress", Effect.WAIT, "RolloutInProgress", message)
    return passed("RolloutInProgress")
