"""Guards: each holds for its reason and passes otherwise; all answers are given, the first that holds decides."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import (
    WEB,
    a_brief,
    a_deployment,
    a_guard_case,
    a_memory_raise,
    a_policy,
    a_restart,
    a_rollback,
    a_scaling,
    a_turn,
    ago,
    scaled_by,
    under_budget,
)

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind, ExternalCause
from prunella_workflows.decisions.guards import (
    AT_WRITE,
    GUARDS,
    approval,
    approval_needed,
    ask,
    cause_allowed,
    concurrency,
    cooldown,
    disruption,
    gitops_owned,
    handled_kind,
    holding,
    hourly_budget,
    hpa_owned,
    maintenance,
    minimum_healthy,
    observe_mode,
    opted_out,
    paused,
    protected_namespace,
    put_back,
    repeated_failures,
    rollback_frozen,
    rollout_by_a_person,
    target_alive,
)
from prunella_workflows.decisions.guards.external_cause import dependency, heard, node_lost, shared_cause
from prunella_workflows.decisions.guards.ownership import replaced_by_hand
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause, Effect
from prunella_workflows.model.policy import BUILT_IN, merge
from prunella_workflows.model.repair_slot import RepairSlots
from prunella_workflows.model.scaling import Strategy


def _in(namespace):
    return a_deployment(ref=WEB.model_copy(update={"namespace": namespace}))


def _a(kind):
    return a_deployment(ref=WEB.model_copy(update={"kind": kind}))


def _by_hand(kind):
    return _a(kind).model_copy(update={"strategy": Strategy(kind="OnDelete", max_surge=0)})


def _put_back(before="hash-2", after="hash-1", at=None):
    """A Deployment of ours whose template is again the one that our repair replaced."""
    moment = at if isinstance(at, str) else (at or ago(600)).isoformat()
    marks = {"before": f"web-prunella-{before}", "after": after, "last-action-at": moment}
    return a_deployment(annotations={f"prunella.dev/{key}": value for key, value in marks.items()})


IGNORE = {"prunella.dev/ignore": "true"}

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

CULPRITS = {
    tie: ExternalCause(
        tie=tie, target="Deployment/ledger", message="It is down.", next_step="Bring it back.", patience=120
    )
    for tie in CauseKind
}

HOLDS = [
    pytest.param(node_lost, {"culprit": CULPRITS[CauseKind.NODE]}, Effect.WAIT, "NodeLost", id="its node is lost"),
    pytest.param(
        dependency,
        {"culprit": CULPRITS[CauseKind.DEPENDENCY]},
        Effect.WAIT,
        "DependencyDown",
        id="what it needs is down",
    ),
    pytest.param(
        shared_cause,
        {"culprit": CULPRITS[CauseKind.SHARED]},
        Effect.WAIT,
        "SharedCause",
        id="another incident is about it",
    ),
    pytest.param(
        heard, {"unheard": "Not a word."}, Effect.WAIT, "AwaitingKubeletEvents", id="the kubelet has not said why"
    ),
    pytest.param(rollout_by_a_person, RELEASED, Effect.WAIT, "RolloutInProgress", id="a release since the fault"),
    pytest.param(
        repeated_failures,
        {"incidents": FAILED_THRICE},
        Effect.ESCALATE,
        "RepeatedFailures",
        id="three incidents that no repair ended",
    ),
    pytest.param(minimum_healthy, HALF_SICK, Effect.ESCALATE, "Storm", id="half of the namespace is sick"),
    pytest.param(protected_namespace, {"workload": _in("kube-system")}, Effect.SUPPRESS, "Protected", id="kube-system"),
    pytest.param(
        protected_namespace,
        {"workload": _in("prunella-system"), "protected_namespaces": ("prunella-system",)},
        Effect.SUPPRESS,
        "Protected",
        id="our own namespace",
    ),
    pytest.param(opted_out, {"namespace_labels": IGNORE}, Effect.SUPPRESS, "Ignored", id="the namespace opted out"),
    pytest.param(
        opted_out, {"workload": a_deployment(labels=IGNORE)}, Effect.SUPPRESS, "Ignored", id="the workload opted out"
    ),
    pytest.param(
        opted_out,
        {"workload": a_deployment(annotations=IGNORE)},
        Effect.SUPPRESS,
        "Ignored",
        id="it opted out by annotation",
    ),
    pytest.param(
        target_alive, {"workload": a_deployment(deleting=True)}, Effect.SUPPRESS, "Deleting", id="it is being deleted"
    ),
    pytest.param(observe_mode, {"policy": merge(BUILT_IN)}, Effect.SHOW_ONLY, "ObserveMode", id="no opt-in: observe"),
    pytest.param(handled_kind, {"workload": _a("CronJob")}, Effect.ESCALATE, "ReportOnly", id="a CronJob is reported"),
    pytest.param(handled_kind, {"workload": _a("Job")}, Effect.ESCALATE, "ReportOnly", id="a Job is reported"),
    pytest.param(paused, {"workload": a_deployment(paused=True)}, Effect.ESCALATE, "Paused", id="a paused rollout"),
    pytest.param(
        cause_allowed,
        {"policy": a_policy(causes=["bad_release"])},
        Effect.ESCALATE,
        "CauseNotAllowed",
        id="a cause that the policy does not name",
    ),
    pytest.param(
        cause_allowed,
        {"policy": a_policy(actions=["RestoreTemplate"])},
        Effect.ESCALATE,
        "ActionNotAllowed",
        id="an action that the policy does not name",
    ),
    pytest.param(
        rollback_frozen,
        {"policy": a_policy(rollback="Freeze"), "action": a_rollback()},
        Effect.ESCALATE,
        "Frozen",
        id="a rollback under a freeze",
    ),
    pytest.param(
        replaced_by_hand,
        {"workload": _by_hand("DaemonSet"), "action": a_rollback()},
        Effect.ESCALATE,
        "OnDelete",
        id="pods that wait for their owner",
    ),
    pytest.param(
        replaced_by_hand,
        {"workload": _by_hand("StatefulSet"), "action": a_restart()},
        Effect.ESCALATE,
        "OnDelete",
        id="a restart that would reach no pod",
    ),
    pytest.param(put_back, {"workload": _put_back()}, Effect.ESCALATE, "OwnedElsewhere", id="our repair was put back"),
    *(
        pytest.param(gitops_owned, {"workload": a_deployment(**mark)}, Effect.ESCALATE, "OwnedElsewhere", id=name)
        for name, mark in {
            "Argo CD by its annotation": {
                "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
            },
            "Argo CD by its field manager": {"owners": {"template": ("kubectl", "argocd-controller")}},
            "Flux kustomization": {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
            "Flux Helm release": {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}},
            "Helm by its annotation": {"annotations": {"meta.helm.sh/release-name": "shop"}},
            "Helm by its label": {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
        }.items()
    ),
    pytest.param(
        hpa_owned,
        {"action": a_scaling(), "scaling": scaled_by()},
        Effect.ESCALATE,
        "HpaOwned",
        id="an autoscaler sets the replicas",
    ),
    pytest.param(
        disruption,
        {"action": a_restart(), "workload": a_deployment(strategy=ONE_AWAY), "scaling": under_budget(3)},
        Effect.ESCALATE,
        "DisruptionBudget",
        id="a budget wants every pod healthy",
    ),
    pytest.param(
        cooldown,
        {"incidents": (a_brief(repaired_at=ago(299)),)},
        Effect.ESCALATE,
        "RepairedRecently",
        id="repaired a moment ago",
    ),
    pytest.param(
        cooldown,
        {"incidents": (a_brief(repaired_at=ago(3000)),), "policy": a_policy(cooldown="1h")},
        Effect.ESCALATE,
        "RepairedRecently",
        id="a longer cooldown",
    ),
    pytest.param(
        cooldown,
        {"turns": RepairSlots(recent=(a_turn(taken=(ago(299),)),))},
        Effect.ESCALATE,
        "RepairedRecently",
        id="another incident had its turn a moment ago",
    ),
    pytest.param(
        cooldown,
        {"turns": RepairSlots(version=9, running=(a_turn(asking=True, version=8),))},
        Effect.ESCALATE,
        "RepairedRecently",
        id="another incident of this workload asks before us",
    ),
    pytest.param(
        hourly_budget,
        {"turns": RepairSlots(recent=tuple(a_turn(f"o{n}", taken=(ago(600 + n),)) for n in range(6)))},
        Effect.ESCALATE,
        "BudgetSpent",
        id="six repairs of this workload in an hour",
    ),
    pytest.param(
        hourly_budget,
        {"turns": RepairSlots(recent=(a_turn(taken=(ago(10), ago(20), ago(30), ago(40), ago(50), ago(60))),))},
        Effect.ESCALATE,
        "BudgetSpent",
        id="six repairs of one incident",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(mine="uid-mine", recent=(a_turn("mine", taken=(ago(10),)),)),
            "policy": a_policy(budgets={"perHourPerWorkload": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="its own earlier repair counts",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(recent=(a_turn(workload="Deployment/api", taken=(ago(600),)),)),
            "policy": a_policy(budgets={"perHourPerNamespace": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="the namespace's budget is spent by another workload",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(recent=(a_turn(namespace="bank", taken=(ago(600),)),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="the cluster's budget is spent by another namespace",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(version=9, running=(a_turn(namespace="bank", asking=True, version=8),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        Effect.ESCALATE,
        "BudgetSpent",
        id="somebody asks for the last one before us",
    ),
    pytest.param(
        concurrency,
        {"turns": RepairSlots(running=(a_turn(),)), "policy": a_policy(budgets={"concurrentPerNamespace": 1})},
        Effect.WAIT,
        "NamespaceBusy",
        id="another repair is under way in the namespace",
    ),
    pytest.param(
        concurrency,
        {
            "turns": RepairSlots(running=(a_turn(namespace="bank"),)),
            "policy": a_policy(budgets={"concurrentPerCluster": 1}),
        },
        Effect.WAIT,
        "ClusterBusy",
        id="another repair is under way in the cluster",
    ),
    pytest.param(
        concurrency,
        {
            "turns": RepairSlots(version=9, running=(a_turn(asking=True, version=8),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        Effect.WAIT,
        "NamespaceBusy",
        id="somebody asks for the last place before us",
    ),
    pytest.param(
        approval,
        {"policy": a_policy(approval={"when": "Always"})},
        Effect.ASK,
        "ApprovalNeeded",
        id="nobody has answered",
    ),
    pytest.param(
        approval,
        {"policy": a_policy(approval={"when": "Always"}), "answer": Approval(decision="Rejected", by="alice")},
        Effect.ASK,
        "ApprovalNeeded",
        id="somebody said no",
    ),
    pytest.param(
        approval,
        {
            "policy": a_policy(approval={"when": "Always", "approvers": ["alice", "group:sre"]}),
            "answer": Approval(decision="Approved", by="bob", groups=("dev",)),
        },
        Effect.ASK,
        "NotAnApprover",
        id="somebody else said yes",
    ),
    pytest.param(
        maintenance,
        {"policy": a_policy(maintenanceWindows=[{"start": "22:00", "end": "06:00"}])},
        Effect.WAIT,
        "OutsideWindow",
        id="outside the maintenance window",
    ),
]

PASSES = [
    pytest.param(
        node_lost,
        {"culprit": CULPRITS[CauseKind.NODE], "waiting_since": ago(120)},
        id="its node was waited for long enough",
    ),
    pytest.param(dependency, {"culprit": CULPRITS[CauseKind.SHARED]}, id="what it needs is up"),
    pytest.param(shared_cause, {}, id="nobody else lacks the same"),
    pytest.param(heard, {}, id="the kubelet has said why"),
    pytest.param(rollout_by_a_person, {**RELEASED, "workload": a_deployment()}, id="a release that is complete"),
    pytest.param(rollout_by_a_person, {**RELEASED, "release_since": ago(90)}, id="the release that failed"),
    pytest.param(
        rollout_by_a_person,
        {**RELEASED, "opened_at": ago(600), "release_since": ago(180)},
        id="a release that had time enough",
    ),
    pytest.param(repeated_failures, {"incidents": FAILED_THRICE[:2]}, id="two incidents that no repair ended"),
    pytest.param(minimum_healthy, {**HALF_SICK, "healthy_percent": 60.0}, id="enough of the namespace is healthy"),
    pytest.param(minimum_healthy, {**HALF_SICK, "healthy_percent": None}, id="a namespace without Deployments"),
    pytest.param(protected_namespace, {}, id="an ordinary namespace"),
    pytest.param(protected_namespace, {"workload": _in("kubeflow")}, id="a namespace that only begins like kube-"),
    pytest.param(opted_out, {"namespace_labels": {"prunella.dev/ignore": "false"}}, id="ignore=false"),
    pytest.param(target_alive, {}, id="alive"),
    pytest.param(observe_mode, {}, id="mode Heal"),
    pytest.param(handled_kind, {}, id="a Deployment"),
    pytest.param(paused, {}, id="not paused"),
    pytest.param(cause_allowed, {}, id="no cause named: all"),
    pytest.param(
        cause_allowed, {"policy": a_policy(causes=["pod_oom_killed"], actions=["SetMemory"])}, id="both named"
    ),
    pytest.param(
        cause_allowed, {"policy": a_policy(actions=["SetMemory"]), "action": None}, id="nothing to do needs no leave"
    ),
    pytest.param(rollback_frozen, {"policy": a_policy(rollback="Freeze")}, id="a raise of memory under a freeze"),
    pytest.param(rollback_frozen, {"action": a_rollback()}, id="a rollback without a freeze"),
    pytest.param(
        replaced_by_hand,
        {"workload": _by_hand("StatefulSet"), "action": a_rollback()},
        id="broken pods of a StatefulSet are replaced",
    ),
    pytest.param(replaced_by_hand, {"workload": _a("DaemonSet"), "action": a_rollback()}, id="a rolling update"),
    pytest.param(put_back, {"workload": _put_back(before="other-hash")}, id="another release than the one repaired"),
    pytest.param(put_back, {"workload": _put_back(after="hash-2")}, id="a restart of ours changes no template"),
    pytest.param(put_back, {"workload": _put_back(at=ago(90_000))}, id="that was long ago"),
    pytest.param(put_back, {"workload": _put_back(at="yesterday")}, id="nobody can read when that was"),
    pytest.param(put_back, {"workload": _put_back(at="2026-03-04T11:50:00")}, id="a time of no zone is none of ours"),
    pytest.param(put_back, {"workload": _put_back(), "action": a_restart()}, id="a restart quarrels with nobody"),
    pytest.param(
        gitops_owned,
        {"workload": a_deployment(owners={"template": ("kubectl", "kube-controller-manager")})},
        id="people's own",
    ),
    pytest.param(
        gitops_owned,
        {"workload": a_deployment(labels={"app.kubernetes.io/managed-by": "Helm"}), "policy": a_policy(gitOps="Act")},
        id="the policy says Act",
    ),
    pytest.param(hpa_owned, {"action": a_scaling()}, id="nobody scales it"),
    pytest.param(disruption, {"action": a_restart()}, id="no pod is taken away before another is there"),
    pytest.param(cooldown, {"incidents": (a_brief(repaired_at=ago(300)),)}, id="the cooldown is over"),
    pytest.param(
        cooldown, {"incidents": (a_brief(workload="Deployment/api", repaired_at=ago(1)),)}, id="another workload"
    ),
    pytest.param(cooldown, {"incidents": (a_brief(namespace="bank", repaired_at=ago(1)),)}, id="a namesake elsewhere"),
    pytest.param(cooldown, {"incidents": (a_brief("web-oom", repaired_at=ago(1)),)}, id="its own repair"),
    pytest.param(cooldown, {"incidents": (a_brief(),)}, id="an incident without a repair"),
    pytest.param(
        cooldown,
        {"turns": RepairSlots(mine="uid-mine", recent=(a_turn("mine", taken=(ago(1),)),))},
        id="its own turn",
    ),
    pytest.param(
        cooldown,
        {"turns": RepairSlots(running=(a_turn(asking=True, version=8),))},
        id="who only looks counts nobody who asks",
    ),
    pytest.param(
        hourly_budget,
        {"turns": RepairSlots(recent=tuple(a_turn(f"o{n}", taken=(ago(3600 + n),)) for n in range(9)))},
        id="repairs of more than an hour ago",
    ),
    pytest.param(
        hourly_budget,
        {"turns": RepairSlots(recent=tuple(a_turn(f"o{n}", taken=(ago(600),)) for n in range(5)))},
        id="one repair is left",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(version=7, running=(a_turn(asking=True, version=8),)),
            "policy": a_policy(budgets={"perHourPerCluster": 1}),
        },
        id="somebody asks for the last one after us",
    ),
    pytest.param(
        hourly_budget,
        {
            "turns": RepairSlots(
                version=9,
                running=(a_turn(asking=True, version=7),),
                recent=(a_turn(version=8, taken=(ago(1),)),),
            ),
            "policy": a_policy(budgets={"perHourPerCluster": 2}),
        },
        id="who asked and has it by now counts once",
    ),
    pytest.param(
        concurrency,
        {
            "turns": RepairSlots(mine="uid-mine", running=(a_turn("mine"),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        id="the repair under way is its own",
    ),
    pytest.param(
        concurrency,
        {
            "turns": RepairSlots(version=7, running=(a_turn(asking=True, version=8),)),
            "policy": a_policy(budgets={"concurrentPerNamespace": 1}),
        },
        id="somebody asks after us",
    ),
    pytest.param(approval, {}, id="nobody has to agree"),
    pytest.param(
        approval,
        {"policy": a_policy(approval={"when": "Always"}), "answer": Approval(decision="Approved")},
        id="somebody agreed, and nobody is named",
    ),
    pytest.param(
        approval,
        {
            "policy": a_policy(approval={"when": "Always", "approvers": ["group:sre"]}),
            "answer": Approval(decision="Approved", by="bob", groups=("dev", "sre")),
        },
        id="one of the named group agreed",
    ),
    pytest.param(maintenance, {}, id="no windows: always"),
]


def _id(guard):
    return guard.__name__


@pytest.mark.parametrize(("guard", "values", "effect", "reason"), HOLDS)
def test_holds(guard, values, effect, reason):
    answer = guard(a_guard_case(**values))
    assert (answer.held, answer.effect, answer.reason) == (True, effect, reason)
    assert answer.message


@pytest.mark.parametrize(("guard", "values"), PASSES)
def test_passes(guard, values):
    answer = guard(a_guard_case(**values))
    assert (answer.held, answer.effect) == (False, Effect.ALLOW)


def test_every_guard_has_a_case_in_which_it_holds_and_one_in_which_it_passes():
    for table in (HOLDS, PASSES):
        assert {_id(guard) for guard in GUARDS} == {_id(case.values[0]) for case in table}


def test_the_guards_asked_before_each_write_are_asked_when_diagnosing_too():
    assert set(AT_WRITE) <= set(GUARDS)


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
    assert maintenance(case).held is not inside


def test_the_first_guard_that_holds_decides_and_all_are_reported():
    case = a_guard_case(workload=a_deployment(paused=True, labels=IGNORE), policy=merge(BUILT_IN))
    answers = ask(GUARDS, case)
    assert len(answers) == len(GUARDS)
    assert [answer.name for answer in answers if answer.held] == ["OptedOut", "Mode", "PausedRollout"]
    assert holding(answers).name == "OptedOut"


def test_when_no_guard_holds_none_decides():
    assert holding(ask(GUARDS, a_guard_case())) is None


def test_waiting_is_asked_last_so_that_nothing_waits_for_hours_to_be_refused():
    elsewhere = {node_lost, dependency, shared_cause, heard}  # there is nothing to refuse yet
    cases = [one for one in _one_case_each() if one[0] not in elsewhere]
    effects = [guard(a_guard_case(**values)).effect for guard, values in cases]
    assert effects == sorted(effects, key=lambda effect: effect is Effect.WAIT)


def _one_case_each():
    cases = {_id(case.values[0]): case.values[1] for case in reversed(HOLDS)}
    return [(guard, cases[_id(guard)]) for guard in GUARDS]


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
    assert approval_needed(a_policy(approval=rule), action, severity) is needed


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
    next_step = observe_mode(a_guard_case(policy=merge(BUILT_IN))).next_step
    assert next_step == "To let it heal: kubectl label namespace shop prunella.dev/heal=enabled"
    assert (
        "kubectl rollout resume Deployment/web -n shop"
        in paused(a_guard_case(workload=a_deployment(paused=True))).next_step
    )


def test_the_change_for_git_is_shown_exactly():
    owners = {"template": ("argocd-controller",)}
    owned = a_guard_case(workload=a_deployment(owners=owners), cause=Cause.POD_OOM_KILLED)
    assert "set the memory limit of container app from 64Mi to 96Mi" in gitops_owned(owned).next_step
