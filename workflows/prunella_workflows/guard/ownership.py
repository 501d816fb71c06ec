"""Is it ours to change: a paused rollout, fields that Git or Helm own, a release that somebody rolls out just now."""

from datetime import timedelta

from prunella_workflows.guard.case import GuardCase, hold, passed
from prunella_workflows.model.outcome import Effect, GuardResult
from prunella_workflows.model.workload import WorkloadView

_ROLLOUT_PATIENCE = timedelta(minutes=2)


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


def gitops_owned(case: GuardCase) -> GuardResult:
    """A field that Git or Helm owns is changed there: our change would be reverted or would fight the owner."""
    owner = _git_owner(case.workload)
    if owner and case.policy.git_ops != "Act":
        return hold(
            "GitOpsOwned",
            Effect.ESCALATE,
            "OwnedElsewhere",
            f"{case.workload.ref} is managed by {owner}.",
            f"Make this change in its source: {case.action}." if case.action else "",
        )
    return passed("GitOpsOwned")


def _git_owner(workload: WorkloadView) -> str:
    marks = {**workload.labels, **workload.annotations}
    if "argocd.argoproj.io/tracking-id" in marks or any("argocd" in one for one in workload.managers):
        return "Argo CD"
    if any(key.startswith(("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")) for key in marks):
        return "Flux"
    if "meta.helm.sh/release-name" in marks or marks.get("app.kubernetes.io/managed-by") == "Helm":
        return "Helm"
    return ""


def rollout_by_a_person(case: GuardCase) -> GuardResult:
    """Somebody rolled out something since the fault was seen: let it finish before judging it."""
    since, opened = case.release_since, case.opened_at
    fresh = since is not None and opened is not None and since > opened and case.now - since < _ROLLOUT_PATIENCE
    if fresh and not case.workload.complete:
        message = f"A new release of {case.workload.ref} is being rolled out; waiting for it."
        return hold("RolloutInProgress", Effect.WAIT, "RolloutInProgress", message)
    return passed("RolloutInProgress")
