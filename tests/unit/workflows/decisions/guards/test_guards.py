"""Guards: each holds for its reason and passes otherwise; all answers are given, the first that holds decides."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import (
    WEB,
    a_brief,
    a_crashing_container,
    a_deployment,
    a_guard_case,
    a_memory_raise,
    a_pod,
    a_policy,
    a_restart,
    a_rollback,
    a_scaling,
    a_slot,
    ago,
    an_eviction,
    scaled_by,
    under_budget,
)

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind, ExternalCause
from prunella_workflows.decisions.diagnosis.startup import RunningInit
from prunella_workflows.decisions.guards import AT_WRITE, GUARDS, IN_SLOT, approval_needed, evaluate, first_block
from prunella_workflows.decisions.guards.budgets import (
    check_concurrency,
    check_cooldown,
    check_hourly_budget,
    check_maintenance_window,
    check_minimum_healthy,
    check_repeated_failures,
)
from prunella_workflows.decisions.guards.external_cause import (
    check_dependency,
    check_node,
    check_pending_report,
    check_shared_cause,
)
from prunella_workflows.decisions.guards.init_containers import check_running_init_container
from prunella_workflows.decisions.guards.ownership import (
    check_custom_owner,
    check_field_owner,
    check_on_delete_strategy,
    check_partition,
    check_paused_rollout,
    check_reverted,
    check_rollout_in_progress,
)
from prunella_workflows.decisions.guards.permission import (
    check_approval,
    check_cause_and_action,
    check_deletion,
    check_kind,
    check_mode,
    check_opt_out,
    check_protected_namespace,
    check_rollback_freeze,
)
from prunella_workflows.decisions.guards.scaling import check_autoscaler, check_disruption, check_singleton
from prunella_workflows.model.autonomy import AutonomyNote
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause, Effect, GuardResult
from prunella_workflows.model.plan import PodRef
from prunella_workflows.model.policy import BUILT_IN
from prunella_workflows.model.policy_merge import merge
from prunella_workflows.model.repair_slot import RepairSlots
from prunella_workflows.model.scaling import Strategy
from prunella_workflows.model.signal import OwnerRef


def _in(namespace):
    return a_deployment(ref=WEB.model_copy(update={"namespace": namespace}))


def _a(kind):
    return a_deployment(ref=WEB.model_copy(update={"kind": kind}))


def _by_hand(kind):
    return _a(kind).model_copy(update={"strategy": Strategy(kind="OnDelete", max_surge=0)})


def _parted(partition, broken):
    """A StatefulSet with this partition, one of whose two pods is broken."""
    strategy = Strategy(max_unavailable=1, max_surge=0, partition=partition)
    names = ("web-0", "web-1")
    pods = [a_pod(name, *([a_crashing_container()] if name == broken else [])) for name in names]
    return {"workload": _a("StatefulSet").model_copy(update={"strategy": strategy}), "pods": pods}


def _replacing(*names):
    """A rollback that replaces these pods."""
    return a_rollback(replace_pods=tuple(PodRef(name=name, uid=f"uid-{name}") for name in names))


CRASHED = a_pod("web-0", a_crashing_container())


def _put_back(before="hash-2", after="hash-1", at=None):
    """A Deployment of ours whose template is again the one that our repair replaced."""
    moment = at if isinstance(at, str) else (at or ago(600)).isoformat()
    marks = {"before": f"web-prunella-{before}", "after": after, "last-action-at": moment}
    return a_deployment(annotations={f"prunella.dev/{key}": value for key, value in marks.items()})


OPERATED = a_deployment(
    custom_owners=(OwnerRef(api_version="monitoring.coreos.com/v1", kind="Prometheus", name="main", uid="u"),)
)
IGNORE = {"prunella.dev/ignore": "true"}
UNPROVEN = AutonomyNote(level="Observe", message="0 of 0 succeeded.")

NEXT_RELEASE = _put_back(before="hash-0", after="hash-1", at=ago(200))
REPAIRED = (a_brief(phase=Phase.HEALED, repaired_at=ago(200)),)
HEALED_THRICE = tuple(
    a_brief(name=f"web-{number}", phase=Phase.HEALED, root_cause="pod_oom_killed", repaired_at=ago(3600.0 * number))
    for number in (1, 2, 3)
)
FAILED_THRICE = tuple(
    a_brief(name=f"web-{number}", phase=Phase.ESCALATED, repaired_at=ago(3600.0 * number)) for number in (1, 2, 3)
)
RELEASED = {
    "workload": a_deployment(updated_replicas=1),
    "opened_at": ago(60),
    "release_since": ago(30),
}
ONE_AWAY = Strategy(max_unavailable=1, max_surge=0)
HALF_SICK = {"policy": a_policy(budgets={"minimumHealthyPercent": 60}), "healthy_percent": 50.0}

CAUSES = {
    kind: ExternalCause(
        kind=kind, target="Deployment/ledger", message="It is down.", next_step="Bring it back.", max_wait=120
    )
    for kind in CauseKind
}


def migrating(until):
    return RunningInit(pod="web-2-a", container="migrate", until=until)


HOLDS = [
    pytest.param(
        check_node, {"external_cause": CAUSES[CauseKind.NODE]}, Effect.WAIT, "NodeLost", id="its node is lost"
    ),
    pytest.param(
        check_dependency,
        {"external_cause": CAUSES[CauseKind.DEPENDENCY]},
        Effect.WAIT,
        "DependencyDown",
        id="what it needs is down",
    ),
    pytest.param(
        check_shared_cause,
        {"external_cause": CAUSES[CauseKind.SHARED]},
        Effect.WAIT,
        "SharedCause",
        id="another incident is about it",
    ),
    pytest.param(
        check_pending_report,
        {"pending": "Not a word."},
        Effect.WAIT,
        "AwaitingKubeletEvents",
        id="the kubelet has not said why",
    ),
    pytest.param(check_rollout_in_progress, RELEASED, Effect.WAIT, "RolloutInProgress", id="a release since the fault"),
    pytest.param(
        check_rollout_in_progress,
        {"workload": a_deployment(updated_replicas=1), "unjudged_since": ago(30)},
        Effect.WAIT,
        "RolloutInProgress",
        id="a repair of a lost run rolls out",
    ),
    pytest.param(
        check_repeated_failures,
        {"incidents": FAILED_THRICE},
        Effect.ESCALATE,
        "RepeatedFailures",
        id="three incidents that no repair ended",
    ),
    pytest.param(
        check_repeated_failures,
        {"incidents": HEALED_THRICE},
        Effect.ESCALATE,
        "RepeatedFailures",
        id="three repairs of the same fault that did not last",
    ),
    pytest.param(check_minimum_healthy, HALF_SICK, Effect.ESCALATE, "Storm", id="half of the namespace is sick"),
    pytest.param(
        check_protected_namespace, {"workload": _in("kube-system")}, Effect.SUPPRESS, "Protected", id="kube-system"
    ),
    pytest.param(
        check_protected_namespace,
        {"workload": _in("prunella-system"), "protected_namespaces": ("prunella-system",)},
        Effect.SUPPRESS,
        "Protected",
        id="our own namespace",
    ),
    pytest.param(check_opt_out, {"namespace_labels": IGNORE}, Effect.SUPPRESS, "Ignored", id="the namespace opted out"),
    pytest.param(
        check_opt_out,
        {"workload": a_deployment(labels=IGNORE)},
        Effect.SUPPRESS,
        "Ignored",
        id="the workload opted out",
    ),
    pytest.param(
        check_opt_out,
        {"workload": a_deployment(annotations=IGNORE)},
        Effect.SUPPRESS,
        "Ignored",
        id="it opted out by annotation",
    ),
    pytest.param(
        check_deletion, {"workload": a_deployment(deleting=True)}, Effect.SUPPRESS, "Deleting", id="it is being deleted"
    ),
    pytest.param(check_mode, {"policy": merge(BUILT_IN)}, Effect.SHOW_ONLY, "ObserveMode", id="no opt-in: observe"),
    pytest.param(check_mode, {"autonomy": UNPROVEN}, Effect.SHOW_ONLY, "NotEarned", id="nothing earned yet"),
    pytest.param(
        check_mode,
        {"autonomy": UNPROVEN, "tried": True},
        Effect.ESCALATE,
        "NotEarned",
        id="lost by a repair of this incident",
    ),
    pytest.param(check_kind, {"workload": _a("CronJob")}, Effect.ESCALATE, "ReportOnly", id="a CronJob is reported"),
    pytest.param(check_kind, {"workload": _a("Job")}, Effect.ESCALATE, "ReportOnly", id="a Job is reported"),
    pytest.param(
        check_paused_rollout, {"workload": a_deployment(paused=True)}, Effect.ESCALATE, "Paused", id="a paused rollout"
    ),
    pytest.param(
        check_cause_and_action,
        {"policy": a_policy(causes=["bad_release"])},
        Effect.ESCALATE,
        "CauseNotAllowed",
        id="a cause that the policy does not name",
    ),
    pytest.param(
        check_cause_and_action,
        {"policy": a_policy(actions=["RestoreTemplate"])},
        Effect.ESCALATE,
        "ActionNotAllowed",
        id="an action that the policy does not name",
    ),
    pytest.param(
        check_rollback_freeze,
        {"policy": a_policy(rollback="Freeze"), "action": a_rollback()},
        Effect.ESCALATE,
        "Frozen",
        id="a rollback under a freeze",
    ),
    pytest.param(
        check_on_delete_strategy,
        {"workload": _by_hand("DaemonSet"), "action": a_rollback()},
        Effect.ESCALATE,
        "OnDelete",
        id="pods that wait for their owner",
    ),
    pytest.param(
        check_on_delete_strategy,
        {"workload": _by_hand("StatefulSet"), "action": a_restart()},
        Effect.ESCALATE,
        "OnDelete",
        id="a restart that would reach no pod",
    ),
    pytest.param(
        check_on_delete_strategy,
        {"workload": _by_hand("StatefulSet"), "pods": [CRASHED]},
        Effect.ESCALATE,
        "OnDelete",
        id="a raise that the other pods would wait for",
    ),
    pytest.param(
        check_on_delete_strategy,
        {"workload": _by_hand("StatefulSet"), "pods": [CRASHED], "action": a_rollback()},
        Effect.ESCALATE,
        "OnDelete",
        id="a rollback that replaces no broken pod",
    ),
    pytest.param(
        check_partition, _parted(1, "web-0"), Effect.ESCALATE, "Partition", id="a pod that the partition holds"
    ),
    pytest.param(
        check_reverted, {"workload": _put_back()}, Effect.ESCALATE, "OwnedElsewhere", id="our repair was put back"
    ),
    pytest.param(
        check_custom_owner, {"workload": OPERATED}, Effect.ESCALATE, "CustomResourceOwned", id="an operator's workload"
    ),
    *(
        pytest.param(check_field_owner, {"workload": a_deployment(**mark)}, Effect.ESCALATE, "OwnedElsewhere", id=name)
        for name, mark in {
            "Argo CD by its annotation": {
                "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
            },
            "Argo CD by its field manager": {"owners": {"template": ("kubectl", "argocd-controller")}},
            "Flux kustomization": {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
            "Flux Helm release": {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}},
            "Helm by its annotation": {"annotations": {"meta.helm.sh/release-name": "shop"}},
            "Helm by its label": {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
            "another tool by server-side apply": {"appliers": {"template": ("kubectl", "kapp-server")}},
        }.items()
    ),
    pytest.param(
        check_autoscaler,
        {"action": a_scaling(), "scaling": scaled_by()},
        Effect.ESCALATE,
        "HpaOwned",
        id="an autoscaler sets the replicas",
    ),
    pytest.param(
        check_singleton,
        {"action": a_scaling(), "workload": a_deployment(strategy=Strategy(kind="Recreate"))},
        Effect.ESCALATE,
        "Singleton",
        id="releases that must not run at once",
    ),
    pytest.param(
        check_disruption,
        {
            "action": a_restart(),
            "workload": a_deployment(strategy=ONE_AWAY),
            "pods": [a_pod(), a_pod("web-2-b"), a_pod("web-2-c")],
            "scaling": under_budget(3),
        },
        Effect.ESCALATE,
        "DisruptionBudget",
        id="a budget wants every pod healthy",
    ),
    *(
        pytest.param(
            check_running_init_container,
            {"action": action, "running_init": migrating(until)},
            effect,
            "InitContainerRunning",
            id=f"an init container that runs, {action.kind} would {effect}",
        )
        for until, effect in ((ago(-1), Effect.WAIT), (ago(0), Effect.ESCALATE))
        for action in (a_rollback(), a_memory_raise(), a_restart())
    ),
    pytest.param(
        check_cooldown,
        {"incidents": (a_brief(repaired_at=ago(299)),)},
        Effect.ESCALATE,
        "RepairedRecently",
        id="repaired a moment ago",
    ),
    pytest.param(
        check_cooldown,
        {"incidents": (a_brief(repaired_at=ago(3000)),), "policy": a_policy(cooldown="1h")},
        Effect.ESCALATE,
        "RepairedRecently",
        id="a longer cooldown",
    ),
    pytest.param(
        check_cooldown,
        {"incidents": REPAIRED, "workload": NEXT_RELEASE, "release_since": ago(900)},
        Effect.ESCALATE,
        "RepairedRecently",
        id="a template that is older than the repair",
    ),
    pytest.param(
        check_cooldown,
        {"slots": RepairSlots(recent=(a_slot(acquired_at=(ago(299),)),))},
        Effect.ESCALATE,
        "RepairedRecently",
        id="another incident had its turn a moment ago",
    ),
    pytest.param(
        check_cooldown,
        {"slots": RepairSlots(own_version=9, running=(a_slot(requested=True, version=8),))},
        Effect.ESCALATE,
        "RepairedRecently",
        id="another incident of this workload asks before us",
    ),
    pytest.param(
        check_hourly_budget,
        {"slots": RepairSlots(recent=tuple(a_slot(f"o{n}", acquired_at=(ago(600 + n),)) for n in range(6)))},
        Effect.ESCALATE,
        "BudgetSpent",
        id="six repairs of this workload in an hour",
    ),
    pytest.param(
        check_hourly_budget,
        {"slots": RepairSlots(recent=(a_slot(acquired_at=(ago(10), ago(20), ago(30), ago(40), ago(50), ago(60))),))},
        Effect.ESCALATE,
        "BudgetSpent",
        id="six repairs of one incident",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(own_uid="uid-mine", recent=(a_slot("mine", acquired_at=(ago(10),)),)),
            "policy": a_policy(budgets={"perHourPerWorkload": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="its own earlier repair counts",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(recent=(a_slot(workload="Deployment/api", acquired_at=(ago(600),)),)),
            "policy": a_policy(budgets={"perHourPerNamespace": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="the namespace's budget is spent by another workload",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(recent=(a_slot(namespace="bank", acquired_at=(ago(600),)),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="the cluster's budget is spent by another namespace",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(own_version=9, running=(a_slot(namespace="bank", requested=True, version=8),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="another repair requested the last one before us",
    ),
    pytest.param(
        check_concurrency,
        {"slots": RepairSlots(running=(a_slot(),)), "policy": a_policy(budgets={"concurrentPerNamespace": 1})},
        Effect.WAIT,
        "NamespaceBusy",
        id="another repair is under way in the namespace",
    ),
    pytest.param(
        check_concurrency,
        {
            "slots": RepairSlots(running=(a_slot(namespace="bank"),)),
            "policy": a_policy(budgets={"concurrentPerCluster": 1}),
        },
        Effect.WAIT,
        "ClusterBusy",
        id="another repair is under way in the cluster",
    ),
    pytest.param(
        check_concurrency,
        {
            "slots": RepairSlots(own_version=9, running=(a_slot(requested=True, version=8),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        Effect.WAIT,
        "NamespaceBusy",
        id="another repair requested the last slot before us",
    ),
    pytest.param(
        check_approval,
        {"policy": a_policy(approval={"when": "Always"})},
        Effect.ASK,
        "ApprovalNeeded",
        id="no answer yet",
    ),
    pytest.param(
        check_approval,
        {"policy": a_policy(approval={"when": "Always"}), "approval": Approval(decision="Rejected", by="alice")},
        Effect.ASK,
        "ApprovalNeeded",
        id="rejected",
    ),
    pytest.param(
        check_approval,
        {
            "policy": a_policy(approval={"when": "Always", "approvers": ["alice", "group:sre"]}),
            "approval": Approval(decision="Approved", by="bob", groups=("dev",)),
        },
        Effect.ASK,
        "NotAnApprover",
        id="approved by a person who is not an approver",
    ),
    pytest.param(
        check_maintenance_window,
        {"policy": a_policy(maintenanceWindows=[{"start": "22:00", "end": "06:00"}])},
        Effect.WAIT,
        "OutsideWindow",
        id="outside the maintenance window",
    ),
]

PASSES = [
    pytest.param(
        check_node,
        {"external_cause": CAUSES[CauseKind.NODE], "waiting_since": ago(120)},
        id="its node was waited for long enough",
    ),
    pytest.param(check_dependency, {"external_cause": CAUSES[CauseKind.SHARED]}, id="what it needs is up"),
    pytest.param(check_shared_cause, {}, id="no other workload lacks the same"),
    pytest.param(check_pending_report, {}, id="the kubelet has said why"),
    pytest.param(check_rollout_in_progress, {**RELEASED, "workload": a_deployment()}, id="a release that is complete"),
    pytest.param(check_rollout_in_progress, {**RELEASED, "release_since": ago(90)}, id="the release that failed"),
    pytest.param(
        check_rollout_in_progress,
        {**RELEASED, "opened_at": ago(600), "release_since": ago(180)},
        id="a release that had time enough",
    ),
    pytest.param(check_repeated_failures, {"incidents": FAILED_THRICE[:2]}, id="two incidents that no repair ended"),
    pytest.param(
        check_repeated_failures,
        {"incidents": HEALED_THRICE, "workload": NEXT_RELEASE},
        id="three repairs of earlier releases",
    ),
    pytest.param(
        check_repeated_failures, {"incidents": HEALED_THRICE, "cause": Cause.BAD_RELEASE}, id="repairs of another fault"
    ),
    pytest.param(
        check_minimum_healthy, {**HALF_SICK, "healthy_percent": 60.0}, id="enough of the namespace is healthy"
    ),
    pytest.param(check_minimum_healthy, {**HALF_SICK, "healthy_percent": None}, id="a namespace without Deployments"),
    pytest.param(check_protected_namespace, {}, id="an ordinary namespace"),
    pytest.param(
        check_protected_namespace, {"workload": _in("kubeflow")}, id="a namespace that only begins like kube-"
    ),
    pytest.param(check_opt_out, {"namespace_labels": {"prunella.dev/ignore": "false"}}, id="ignore=false"),
    pytest.param(check_deletion, {}, id="alive"),
    pytest.param(check_mode, {}, id="mode Heal"),
    pytest.param(check_mode, {"autonomy": AutonomyNote(level="Approval")}, id="approval earned"),
    pytest.param(check_mode, {"autonomy": AutonomyNote(level="Heal")}, id="Heal earned"),
    pytest.param(check_mode, {"autonomy": UNPROVEN, "action": None}, id="nothing earned, nothing to do"),
    pytest.param(check_mode, {"autonomy": UNPROVEN, "undoes": True}, id="an undo needs no record"),
    pytest.param(check_kind, {}, id="a Deployment"),
    pytest.param(check_paused_rollout, {}, id="not paused"),
    pytest.param(check_cause_and_action, {}, id="no cause named: all"),
    pytest.param(
        check_cause_and_action, {"policy": a_policy(causes=["pod_oom_killed"], actions=["SetMemory"])}, id="both named"
    ),
    pytest.param(
        check_cause_and_action,
        {"policy": a_policy(actions=["SetMemory"]), "action": None},
        id="nothing to do needs no leave",
    ),
    pytest.param(check_rollback_freeze, {"policy": a_policy(rollback="Freeze")}, id="a raise of memory under a freeze"),
    pytest.param(check_rollback_freeze, {"action": a_rollback()}, id="a rollback without a freeze"),
    pytest.param(
        check_on_delete_strategy,
        {"workload": _by_hand("StatefulSet"), "pods": [CRASHED, a_pod("web-1")], "action": _replacing("web-0")},
        id="broken pods of a StatefulSet are replaced",
    ),
    pytest.param(check_partition, _parted(1, "web-1"), id="a pod that the partition does not hold"),
    pytest.param(check_partition, _parted(0, "web-0"), id="no partition"),
    pytest.param(
        check_on_delete_strategy, {"workload": _a("DaemonSet"), "action": a_rollback()}, id="a rolling update"
    ),
    pytest.param(
        check_reverted, {"workload": _put_back(before="other-hash")}, id="another release than the one repaired"
    ),
    pytest.param(check_reverted, {"workload": _put_back(after="hash-2")}, id="a restart of ours changes no template"),
    pytest.param(check_reverted, {"workload": _put_back(at=ago(90_000))}, id="that was long ago"),
    pytest.param(check_reverted, {"workload": _put_back(at="yesterday")}, id="the time is unreadable"),
    pytest.param(
        check_reverted, {"workload": _put_back(at="2026-03-04T11:50:00")}, id="a time of no zone is none of ours"
    ),
    pytest.param(
        check_reverted,
        {"workload": _put_back(), "action": a_restart()},
        id="a restart changes nothing that was put back",
    ),
    pytest.param(check_custom_owner, {}, id="a workload without owners"),
    pytest.param(
        check_dependency,
        {"external_cause": CAUSES[CauseKind.DEPENDENCY], "action": an_eviction()},
        id="pods are woken instead of waited for",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(labels={"app.kubernetes.io/managed-by": "Helm"}), "action": an_eviction()},
        id="an eviction changes no field",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(owners={"template": ("kubectl", "kube-controller-manager")})},
        id="people's own",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(appliers={"template": ("kubectl",)})},
        id="a person's kubectl apply --server-side",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(appliers={"replicas": ("kapp-server",)})},
        id="another tool applies only the replicas",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(appliers={"template": ("kapp-server",)}), "action": a_restart()},
        id="a restart writes no field that was applied",
    ),
    pytest.param(
        check_field_owner,
        {"workload": a_deployment(labels={"app.kubernetes.io/managed-by": "Helm"}), "policy": a_policy(gitOps="Act")},
        id="the policy says Act",
    ),
    pytest.param(check_autoscaler, {"action": a_scaling()}, id="no autoscaler"),
    pytest.param(check_singleton, {"action": a_scaling()}, id="an ordinary Deployment"),
    pytest.param(
        check_singleton,
        {"workload": a_deployment(strategy=Strategy(kind="Recreate"))},
        id="other repairs of a singleton",
    ),
    pytest.param(check_disruption, {"action": a_restart()}, id="no pod is taken away before another is there"),
    pytest.param(check_running_init_container, {"action": a_rollback()}, id="no init container runs"),
    pytest.param(
        check_running_init_container,
        {"action": a_scaling(), "running_init": migrating(ago(0))},
        id="no pod is replaced",
    ),
    pytest.param(
        check_running_init_container, {"action": None, "running_init": migrating(ago(0))}, id="nothing is written"
    ),
    pytest.param(check_cooldown, {"incidents": (a_brief(repaired_at=ago(300)),)}, id="the cooldown is over"),
    pytest.param(
        check_cooldown,
        {"incidents": REPAIRED, "workload": NEXT_RELEASE},
        id="the owner's next release",
    ),
    pytest.param(
        check_cooldown,
        {
            "incidents": REPAIRED,
            "workload": _put_back(before="hash-0", after="hash-1", at=ago(199.5)),
            "release_since": ago(200),
        },
        id="the owner's next release, in the second of the repair",
    ),
    pytest.param(
        check_cooldown, {"incidents": REPAIRED, "continues": ("other",)}, id="the ladder of that incident goes on"
    ),
    pytest.param(
        check_cooldown, {"incidents": (a_brief(workload="Deployment/api", repaired_at=ago(1)),)}, id="another workload"
    ),
    pytest.param(
        check_cooldown, {"incidents": (a_brief(namespace="bank", repaired_at=ago(1)),)}, id="a namesake elsewhere"
    ),
    pytest.param(check_cooldown, {"incidents": (a_brief("web-oom", repaired_at=ago(1)),)}, id="its own repair"),
    pytest.param(check_cooldown, {"incidents": (a_brief(),)}, id="an incident without a repair"),
    pytest.param(
        check_cooldown,
        {"slots": RepairSlots(own_uid="uid-mine", recent=(a_slot("mine", acquired_at=(ago(1),)),))},
        id="its own slot",
    ),
    pytest.param(
        check_cooldown,
        {"slots": RepairSlots(running=(a_slot(requested=True, version=8),))},
        id="without a request of its own, requests do not count",
    ),
    pytest.param(
        check_hourly_budget,
        {"slots": RepairSlots(recent=tuple(a_slot(f"o{n}", acquired_at=(ago(3600 + n),)) for n in range(9)))},
        id="repairs of more than an hour ago",
    ),
    pytest.param(
        check_hourly_budget,
        {"slots": RepairSlots(recent=tuple(a_slot(f"o{n}", acquired_at=(ago(600),)) for n in range(5)))},
        id="one repair is left",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(own_version=7, running=(a_slot(requested=True, version=8),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        id="another repair requested the last one after us",
    ),
    pytest.param(
        check_hourly_budget,
        {
            "slots": RepairSlots(
                own_version=9,
                running=(a_slot(requested=True, version=7),),
                recent=(a_slot(version=8, acquired_at=(ago(1),)),),
            ),
            "policy": a_policy(budgets={"perHourPerCluster": 2}),
        },
        id="a request that was granted meanwhile counts once",
    ),
    pytest.param(
        check_concurrency,
        {
            "slots": RepairSlots(own_uid="uid-mine", running=(a_slot("mine"),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        id="the repair under way is its own",
    ),
    pytest.param(
        check_concurrency,
        {
            "slots": RepairSlots(own_version=7, running=(a_slot(requested=True, version=8),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        id="another repair requested a slot after us",
    ),
    pytest.param(check_approval, {}, id="no approval needed"),
    pytest.param(
        check_approval,
        {"policy": a_policy(approval={"when": "Always"}), "approval": Approval(decision="Approved")},
        id="approved, and no approvers are named",
    ),
    pytest.param(
        check_approval,
        {
            "policy": a_policy(approval={"when": "Always", "approvers": ["group:sre"]}),
            "approval": Approval(decision="Approved", by="bob", groups=("dev", "sre")),
        },
        id="approved by a member of the named group",
    ),
    pytest.param(check_maintenance_window, {}, id="no windows: always"),
]


@pytest.mark.parametrize(("guard", "values", "effect", "reason"), HOLDS)
def test_holds(guard, values, effect, reason):
    block = guard(a_guard_case(**values))
    assert (block.effect, block.reason) == (effect, reason)
    assert block.message


@pytest.mark.parametrize(("guard", "values"), PASSES)
def test_passes(guard, values):
    assert guard(a_guard_case(**values)) is None


def test_every_guard_has_a_case_in_which_it_holds_and_one_in_which_it_passes():
    for table in (HOLDS, PASSES):
        assert {guard.check for guard in GUARDS} == {case.values[0] for case in table}


def test_a_guard_is_named_once():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_right_before_a_write_all_are_evaluated_again_but_those_about_the_fault():
    names = ["Node", "Dependency", "SharedCause", "ProbeEvents", "RepeatedFailures", "RolloutInProgress"]
    assert [guard.name for guard in GUARDS if guard not in AT_WRITE] == [*names, "InitContainer"]


def test_the_guards_that_count_slots_are_evaluated_while_one_is_held():
    assert [guard.name for guard in IN_SLOT] == ["Cooldown", "HourlyBudget", "Concurrency"]


def test_a_result_is_what_is_recorded():
    blocked, passed = (PAUSED.evaluate(a_guard_case(workload=a_deployment(paused=paused))) for paused in (True, False))
    assert (blocked.name, blocked.effect, blocked.reason) == ("PausedRollout", Effect.ESCALATE, "Paused")
    assert passed == GuardResult(name="PausedRollout", effect=Effect.ALLOW, reason="Passed", message="", next_step="")


PAUSED = next(guard for guard in GUARDS if guard.check is check_paused_rollout)
NIGHT = {"start": "22:00", "end": "06:00"}
FRIDAY_NIGHT = {"days": ["Fri"], **NIGHT}
LUNCH = {"start": "12:00", "end": "13:00"}


@pytest.mark.parametrize(
    ("windows", "moment", "inside"),
    [
        pytest.param([LUNCH], "Wed 12:00", True, id="a window begins at its start"),
        pytest.param([LUNCH], "Wed 12:59", True, id="the last minute"),
        pytest.param([LUNCH], "Wed 13:00", False, id="a window ends before its end"),
        pytest.param([LUNCH], "Wed 11:59", False, id="a minute early"),
        pytest.param([NIGHT], "Wed 23:00", True, id="overnight, before midnight"),
        pytest.param([NIGHT], "Wed 05:59", True, id="overnight, after midnight"),
        pytest.param([NIGHT], "Wed 12:00", False, id="overnight, at noon"),
        pytest.param([FRIDAY_NIGHT], "Fri 22:00", True, id="Friday night"),
        pytest.param([FRIDAY_NIGHT], "Sat 05:00", True, id="Friday's night reaches into Saturday"),
        pytest.param([FRIDAY_NIGHT], "Sat 22:00", False, id="Saturday's night is another"),
        pytest.param([FRIDAY_NIGHT], "Fri 05:00", False, id="Friday's early hours belong to Thursday's night"),
        pytest.param([{"days": ["Sun"], **NIGHT}], "Mon 01:00", True, id="Sunday's night reaches into Monday"),
        pytest.param([{"days": ["Sat", "Sun"], **LUNCH}], "Sun 12:30", True, id="one of several days"),
        pytest.param([{"days": ["Sat", "Sun"], **LUNCH}], "Mon 12:30", False, id="none of several days"),
        pytest.param([LUNCH, NIGHT], "Wed 23:30", True, id="one of several windows"),
    ],
)
def test_maintenance_windows(windows, moment, inside):
    day, clock = moment.split()
    number = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)
    hour, minute = clock.split(":")
    now = datetime(2026, 3, 2, int(hour), int(minute), tzinfo=UTC) + timedelta(days=number)  # a Monday
    case = a_guard_case(now=now, policy=a_policy(maintenanceWindows=windows))
    assert (check_maintenance_window(case) is None) is inside


def test_the_first_guard_that_holds_decides_and_all_are_reported():
    case = a_guard_case(workload=a_deployment(paused=True, labels=IGNORE), policy=merge(BUILT_IN))
    answers = evaluate(GUARDS, case)
    assert len(answers) == len(GUARDS)
    assert [answer.name for answer in answers if answer.held] == ["OptedOut", "Mode", "PausedRollout"]
    assert first_block(answers).name == "OptedOut"


def test_when_no_guard_holds_none_decides():
    assert first_block(evaluate(GUARDS, a_guard_case())) is None


def test_waiting_is_asked_last_so_that_nothing_waits_for_hours_to_be_refused():
    # Nothing can be refused yet.
    elsewhere = {
        check_node,
        check_dependency,
        check_shared_cause,
        check_pending_report,
    }
    cases = {case.values[0]: case.values[1] for case in reversed(HOLDS)}
    checks = [guard.check for guard in GUARDS if guard.check not in elsewhere]
    effects = [check(a_guard_case(**cases[check])).effect for check in checks]
    assert effects == sorted(effects, key=lambda effect: effect is Effect.WAIT)


LISTED = {"when": "ByActionOrSeverity"}


@pytest.mark.parametrize(
    ("rule", "action", "severity", "needed"),
    [
        pytest.param({}, a_rollback(), "Critical", False, id="never, the default"),
        pytest.param({"when": "Always"}, a_memory_raise(), "Low", True, id="always"),
        pytest.param({**LISTED, "actions": ["RestoreTemplate"]}, a_rollback(), "Low", True, id="for this action"),
        pytest.param(
            {**LISTED, "actions": ["RestoreTemplate"]}, a_memory_raise(), "Low", False, id="for another action"
        ),
        pytest.param(
            {**LISTED, "severities": ["Critical"]}, a_memory_raise(), "Critical", True, id="for this severity"
        ),
        pytest.param(
            {**LISTED, "severities": ["Critical"]}, a_memory_raise(), "High", False, id="for another severity"
        ),
        pytest.param(LISTED, a_rollback(), "Critical", False, id="nothing is listed"),
        pytest.param(
            {"when": "Never", "severities": ["Critical"]}, a_rollback(), "Critical", False, id="never wins over a list"
        ),
    ],
)
def test_when_a_person_must_agree(rule, action, severity, needed):
    case = a_guard_case(policy=a_policy(approval=rule), action=action, severity=severity)
    assert approval_needed(case) is needed


@pytest.mark.parametrize(("level", "needed"), [("Observe", False), ("Approval", True), ("Heal", False)])
def test_a_person_must_agree_to_what_has_earned_approval_only(level, needed):
    case = a_guard_case(autonomy=AutonomyNote(level=level))
    assert approval_needed(case) is needed
    assert (check_approval(case) is not None) is needed
    approved = case.model_copy(update={"approval": Approval(decision="Approved", by="alice")})
    assert check_approval(approved) is None


def test_only_what_people_do_about_an_observed_plan_is_said_to_count():
    assert "counts for the next incident" in check_mode(a_guard_case(autonomy=UNPROVEN)).next_step
    assert "counts" not in check_mode(a_guard_case(autonomy=UNPROVEN, tried=True)).next_step


def test_what_was_earned_loosens_no_rule():
    earned = AutonomyNote(level="Heal")
    assert check_mode(a_guard_case(policy=merge(BUILT_IN), autonomy=earned)).reason == "ObserveMode"
    assert approval_needed(a_guard_case(policy=a_policy(approval={"when": "Always"}), autonomy=earned))
    assert not approval_needed(a_guard_case(action=None, autonomy=AutonomyNote(level="Approval")))


@pytest.mark.parametrize(
    ("approvers", "may"),
    [
        ((), True),
        (("alice",), True),
        (("user:alice",), True),
        (("bob", "alice"), True),
        (("group:sre",), True),
        (("sre",), False),
        (("group:alice",), False),
        (("user:sre",), False),
        (("bob",), False),
        (("Alice",), False),
    ],
)
def test_who_may_answer(approvers, may):
    assert Approval(decision="Approved", by="alice", groups=("sre",)).is_by_one_of(approvers) is may


def test_an_answer_without_a_name_counts_only_where_nobody_is_named():
    assert Approval(decision="Approved").is_by_one_of(())
    assert not Approval(decision="Approved", groups=("sre",)).is_by_one_of(("group:sre", "", "user:"))


def test_a_held_guard_tells_what_a_person_can_do():
    next_step = check_mode(a_guard_case(policy=merge(BUILT_IN))).next_step
    assert next_step == "To let it heal: kubectl label namespace shop prunella.dev/heal=enabled"
    assert (
        "kubectl rollout resume Deployment/web -n shop"
        in check_paused_rollout(a_guard_case(workload=a_deployment(paused=True))).next_step
    )


def test_the_owner_of_an_operated_workload_is_named():
    block = check_custom_owner(a_guard_case(workload=OPERATED))
    assert block.message == "Deployment/web belongs to Prometheus/main (monitoring.coreos.com/v1)."
    assert block.next_step.endswith("kubectl edit prometheus.monitoring.coreos.com main -n shop")


def test_the_change_for_git_is_shown_exactly():
    owners = {"template": ("argocd-controller",)}
    owned = a_guard_case(workload=a_deployment(owners=owners), cause=Cause.POD_OOM_KILLED)
    assert "set the memory limit of container app from 64Mi to 96Mi" in check_field_owner(owned).next_step
