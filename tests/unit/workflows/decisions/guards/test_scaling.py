"""Guards of replicas and of pods that must stay healthy; and who owns the very field that an action changes."""

import pytest
from builders import (
    WEB,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_guard_case,
    a_higher_maximum,
    a_memory_raise,
    a_pod,
    a_policy,
    a_restart,
    a_restarted_container,
    a_rollback,
    a_scaling,
    an_autoscaler,
    scaled_by,
    under_budget,
)

from prunella_workflows.decisions.guards import AT_WRITE
from prunella_workflows.decisions.guards.ownership import check_field_owner
from prunella_workflows.decisions.guards.scaling import check_autoscaler, check_disruption, check_singleton
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.scaling import Scaling, Strategy
from prunella_workflows.model.workload import RevisionRef

NAMED = a_policy(actions=["Scale", "RaiseMaxReplicas"])
ONE_AWAY = Strategy(max_unavailable=1, max_surge=0)
RECREATE = Strategy(kind="Recreate", max_unavailable=3, max_surge=0)
PARALLEL = Strategy(max_unavailable=1, max_surge=0, parallel=True)
SET = WEB.model_copy(update={"kind": "StatefulSet"})
HEALTHY = tuple(a_pod(f"web-2-{letter}") for letter in "abc")
HELM = {"app.kubernetes.io/managed-by": "Helm"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop"}
ARGO = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}


def test_they_are_asked_right_before_the_write():
    assert {check_autoscaler, check_disruption, check_field_owner} <= {guard.check for guard in AT_WRITE}


@pytest.mark.parametrize(
    ("values", "reason", "words"),
    [
        pytest.param({"action": a_scaling(), "scaling": scaled_by()}, "HpaOwned", "sets the replicas", id="a scaling"),
        pytest.param(
            {"action": a_scaling(), "scaling": scaled_by(an_autoscaler(active=False)), "policy": NAMED},
            "HpaOwned",
            "sets the replicas",
            id="one that cannot act now owns them as well",
        ),
        pytest.param(
            {
                "action": a_scaling(),
                "workload": a_deployment(owners={"replicas": ("kubectl", "autoscaler"), "template": ("kubectl",)}),
                "policy": a_policy(gitOps="Act"),
            },
            "ReplicasOwned",
            "autoscaler sets the replicas",
            id="a manager of the replicas alone, whatever the policy says about Git",
        ),
        pytest.param(
            {"action": a_higher_maximum(), "scaling": scaled_by()},
            "HpaAtMaximum",
            "do not include RaiseMaxReplicas",
            id="a maximum that no policy names: an empty list is no leave",
        ),
        pytest.param(
            {"action": a_higher_maximum(), "scaling": scaled_by(), "policy": a_policy(actions=["Scale"])},
            "HpaAtMaximum",
            "do not include RaiseMaxReplicas",
            id="a maximum, and the policy names other actions",
        ),
        *(
            pytest.param(
                {"action": a_higher_maximum(), "policy": NAMED, "scaling": scaled_by(an_autoscaler(**values))},
                "HpaCannotAct",
                words,
                id=words,
            )
            for values, words in (({"active": False}, "not able to scale"), ({"min_replicas": 3}, "a fixed size"))
        ),
        pytest.param(
            {"action": a_higher_maximum(), "policy": NAMED},
            "HpaOwned",
            "is scaled by no autoscaler, not by web",
            id="the autoscaler scales something else by now",
        ),
        pytest.param(
            {"action": a_higher_maximum(), "policy": NAMED, "scaling": scaled_by(an_autoscaler(name="other"))},
            "HpaOwned",
            "is scaled by other, not by web",
            id="another autoscaler took over",
        ),
    ],
)
def test_whose_number_it_is(values, reason, words):
    block = check_autoscaler(a_guard_case(**values))
    assert (block.effect, block.reason) == (Effect.ESCALATE, reason)
    assert words in block.message


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"action": a_scaling()}, id="no autoscaler"),
        pytest.param(
            {"action": a_scaling(), "workload": a_deployment(owners={"replicas": ("ci",), "template": ("ci",)})},
            id="who made the workload set its replicas, too",
        ),
        pytest.param(
            {"action": a_scaling(), "workload": a_deployment(owners={"replicas": ("kubectl-scale",)})},
            id="a person set them",
        ),
        pytest.param({"action": a_higher_maximum(), "scaling": scaled_by(), "policy": NAMED}, id="named in the policy"),
        pytest.param({"action": a_memory_raise(), "scaling": scaled_by()}, id="memory is not what it sets"),
        pytest.param({"action": None, "scaling": scaled_by()}, id="nothing to do"),
    ],
)
def test_whose_number_it_is_does_not_matter(values):
    assert check_autoscaler(a_guard_case(**values)) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"workload": a_deployment(strategy=RECREATE), "policy": NAMED}, "Recreate", id="one at a time"),
        pytest.param(
            {"scaling": Scaling(exclusive_claims=("data",)), "policy": NAMED},
            "PersistentVolumeClaim/data",
            id="a volume",
        ),
        pytest.param({"workload": a_deployment(ref=SET)}, "do not name Scale", id="members, and no policy names it"),
        pytest.param({"workload": a_deployment(ref=SET), "policy": NAMED}, "", id="members that the policy names"),
    ],
)
def test_singletons_are_not_scaled_out(values, words):
    block = check_singleton(a_guard_case(**{"action": a_scaling(), **values}))
    assert (words in block.message) if words else block is None


@pytest.mark.parametrize(
    ("action", "replicas", "available", "strategy", "wanted", "reason"),
    [
        pytest.param(a_restart(), 3, 3, ONE_AWAY, 3, "DisruptionBudget", id="all are wanted, one may be away"),
        pytest.param(a_restart(), 3, 3, ONE_AWAY, 2, None, id="two are wanted, one may be away"),
        pytest.param(a_memory_raise(), 3, 3, ONE_AWAY, 3, "DisruptionBudget", id="a raise of memory"),
        pytest.param(a_rollback(), 3, 3, ONE_AWAY, 3, "DisruptionBudget", id="a rollback"),
        pytest.param(a_restart(), 3, 3, Strategy(), 3, None, id="the new pod comes before the old one goes"),
        pytest.param(a_memory_raise(), 3, 2, ONE_AWAY, 3, None, id="one is broken: no healthy one is taken"),
        pytest.param(a_memory_raise(), 3, 0, RECREATE, 3, None, id="none is healthy: there is nothing to lose"),
        pytest.param(a_memory_raise(), 3, 3, RECREATE, 1, "DisruptionBudget", id="all go at once"),
        pytest.param(a_memory_raise(), 3, 2, RECREATE, None, "Interruption", id="all go at once, healthy ones too"),
        pytest.param(a_rollback(), 3, 2, RECREATE, None, "Interruption", id="a rollback as well"),
        pytest.param(a_memory_raise(), 1, 0, RECREATE, None, None, id="the only replica, which is broken"),
        pytest.param(a_restart(), 3, 2, RECREATE, None, "Interruption", id="a restart takes all healthy ones at once"),
        pytest.param(a_restart(), 1, 1, ONE_AWAY, None, "Interruption", id="a restart of the only healthy replica"),
        pytest.param(a_restart(), 1, 1, Strategy(), None, None, id="the only replica, with surge"),
        pytest.param(a_restart(), 1, 0, ONE_AWAY, None, None, id="the only replica, which hangs"),
        pytest.param(a_scaling(), 3, 3, RECREATE, 3, None, id="more replicas take none away"),
        pytest.param(a_higher_maximum(), 3, 3, RECREATE, 3, None, id="nor does a higher maximum"),
        pytest.param(None, 3, 3, RECREATE, 3, None, id="nothing to do"),
    ],
)
def test_disruption(*, action, replicas, available, strategy, wanted, reason):
    workload = a_deployment(replicas=replicas, available_replicas=available, strategy=strategy)
    scaling = Scaling() if wanted is None else under_budget(wanted, available)
    pods = [a_pod(f"web-2-{letter}") for letter in "abc"[:available]]
    pods += [a_pod(f"web-2-{letter}", a_crashing_container()) for letter in "xyz"[: replicas - available]]
    block = check_disruption(a_guard_case(action=action, workload=workload, scaling=scaling, pods=pods))
    assert (block and block.reason) == reason


def members(*broken, revision="web-2", **others):
    """The three pods of a StatefulSet; `others` are revisions of earlier ones, by pod."""
    names = ("web-0", "web-1", "web-2")
    revisions = {name.replace("_", "-"): value for name, value in others.items()}
    return tuple(
        a_pod(
            name,
            a_crashing_container() if name in broken else a_container_status(),
            revision=revisions.get(name, revision),
        )
        for name in names
    )


TO_WEB_1 = RevisionRef(source="ControllerRevision", name="web-1", template_hash="hash-1")


@pytest.mark.parametrize(
    ("action", "pods", "strategy", "wanted", "reason"),
    [
        pytest.param(
            a_memory_raise(), members("web-0"), ONE_AWAY, 2, None, id="one by one: it waits for the broken one"
        ),
        pytest.param(
            a_memory_raise(), members("web-0"), PARALLEL, 2, "DisruptionBudget", id="the last pod goes as well"
        ),
        pytest.param(a_memory_raise(), members("web-2"), PARALLEL, 2, None, id="the broken one is the last"),
        pytest.param(a_memory_raise(), members("web-0", "web-1"), PARALLEL, None, "Interruption", id="one is left"),
        pytest.param(
            a_rollback(revision=TO_WEB_1),
            members("web-2", web_0="web-1", web_1="web-1"),
            PARALLEL,
            2,
            None,
            id="a rollback leaves the pods that have the good template",
        ),
        pytest.param(
            a_memory_raise(),
            members("web-2"),
            Strategy(max_unavailable=1, max_surge=0, parallel=True, partition=2),
            2,
            None,
            id="a partition holds the healthy ones",
        ),
    ],
)
def test_disruption_of_a_stateful_set(action, pods, strategy, wanted, reason):
    healthy = sum(pod.ready for pod in pods)
    workload = a_deployment(ref=SET, available_replicas=healthy, strategy=strategy)
    scaling = Scaling() if wanted is None else under_budget(wanted, healthy)
    block = check_disruption(a_guard_case(action=action, workload=workload, scaling=scaling, pods=pods))
    assert (block and block.reason) == reason


def test_a_pod_that_runs_between_two_crashes_is_not_taken_for_a_healthy_one():
    workload = a_deployment(replicas=1, strategy=Strategy(kind="Recreate", max_unavailable=1, max_surge=0))
    pods = (a_pod("web-2-a", a_restarted_container()),)
    assert check_disruption(a_guard_case(workload=workload, pods=pods)) is None


def test_a_budget_that_was_not_counted_yet_is_kept():
    workload = a_deployment(strategy=ONE_AWAY)
    case = a_guard_case(action=a_restart(), workload=workload, pods=HEALTHY, scaling=under_budget(None))
    assert check_disruption(case).reason == "DisruptionBudget"


def test_healthy_pods_of_other_workloads_count_for_a_budget_that_is_about_them_too():
    workload = a_deployment(strategy=ONE_AWAY)
    case = a_guard_case(action=a_restart(), workload=workload, pods=HEALTHY, scaling=under_budget(4, 5))
    assert check_disruption(case) is None
    assert check_disruption(case.model_copy(update={"scaling": under_budget(5, 5)})) is not None


@pytest.mark.parametrize(
    ("action", "command"),
    [
        (a_restart(), "kubectl rollout restart Deployment/web -n shop"),
        (a_memory_raise(), "kubectl set resources Deployment/web -n shop -c app --limits=memory=96Mi"),
        (a_rollback(number=1), "kubectl rollout undo Deployment/web -n shop --to-revision=1"),
    ],
)
def test_a_person_gets_the_exact_command(action, command):
    workload = a_deployment(strategy=ONE_AWAY)
    case = a_guard_case(action=action, workload=workload, pods=HEALTHY, scaling=under_budget(3))
    assert command in check_disruption(case).next_step


def owned(action, **workload):
    block = check_field_owner(a_guard_case(action=action, workload=a_deployment(**workload), scaling=scaled_by()))
    return block.message.rpartition(" is managed by ")[2].rstrip(".") if block else ""


@pytest.mark.parametrize(
    ("action", "workload", "tool"),
    [
        pytest.param(a_restart(), {"owners": {"template": ("argocd-controller",)}}, "Argo CD", id="the template"),
        pytest.param(a_restart(), {"owners": {"replicas": ("argocd-controller",)}}, "", id="only the replicas"),
        pytest.param(a_scaling(), {"owners": {"replicas": ("argocd-controller",)}}, "Argo CD", id="replicas, to scale"),
        pytest.param(a_scaling(), {"owners": {"template": ("argocd-controller",)}}, "", id="the template, to scale"),
        pytest.param(
            a_restart(), {"owners": {"template": ("kustomize-controller",)}}, "Flux", id="Flux without a mark"
        ),
        pytest.param(a_scaling(), {"owners": {"replicas": ("helm",)}}, "Helm", id="Helm sets the replicas"),
        pytest.param(
            a_restart(), {"labels": HELM, "owners": {"template": ()}}, "Helm", id="a mark is about the template"
        ),
        pytest.param(
            a_scaling(),
            {
                "labels": FLUX,
                "owners": {"replicas": ("kube-controller-manager",), "template": ("kustomize-controller",)},
            },
            "",
            id="a mark, and only the cluster sets the replicas",
        ),
        pytest.param(
            a_scaling(), {"annotations": ARGO, "owners": {"replicas": ("kubectl-scale",)}}, "", id="a person scales it"
        ),
        pytest.param(
            a_scaling(), {"labels": HELM, "owners": {"replicas": ("prunella",)}}, "", id="we set them ourselves before"
        ),
        pytest.param(
            a_scaling(),
            {"labels": HELM, "owners": {"replicas": ("deploy-tool",)}},
            "Helm",
            id="a mark, and an unknown manager sets the replicas: it may be the tool",
        ),
        pytest.param(a_scaling(), {"labels": HELM}, "Helm", id="a mark, and the object does not tell its managers"),
        pytest.param(a_scaling(), {"appliers": {"replicas": ("kapp-server",)}}, "kapp-server", id="an applied number"),
        pytest.param(a_scaling(), {}, "", id="no mark, no managers"),
    ],
)
def test_the_owner_of_the_very_field(action, workload, tool):
    assert owned(action, **workload) == tool


@pytest.mark.parametrize(
    ("autoscaler", "tool"),
    [
        pytest.param({}, "", id="no manager"),
        pytest.param({"operator": "ScaledObject/web"}, "ScaledObject/web", id="KEDA would write it back"),
        pytest.param({"owners": {"maxReplicas": ("helm",)}}, "Helm", id="Helm sets it"),
        pytest.param({"owners": {"maxReplicas": ("kubectl-edit",)}, "labels": HELM}, "", id="a person sets it"),
        pytest.param({"labels": FLUX}, "Flux", id="a mark, and no managers told"),
        pytest.param({"appliers": {"maxReplicas": ("kapp-server",)}}, "kapp-server", id="another tool applies it"),
    ],
)
def test_the_maximum_has_an_owner_of_its_own(autoscaler, tool):
    """The owner of the workload does not matter for it."""
    values = {"action": a_higher_maximum(), "workload": a_deployment(labels=HELM)}
    block = check_field_owner(a_guard_case(**values, scaling=scaled_by(an_autoscaler(**autoscaler))))
    assert (f"is managed by {tool}" in block.message) if tool else block is None


def test_acting_for_git_is_the_policys_word_for_numbers_too():
    workload = a_deployment(owners={"replicas": ("helm",)})
    case = a_guard_case(action=a_scaling(), workload=workload, policy=a_policy(gitOps="Act"))
    assert check_field_owner(case) is None


def test_the_change_to_make_in_git_is_told_as_words_and_as_a_command():
    owners = {"replicas": ("argocd-controller",)}
    told = check_field_owner(a_guard_case(action=a_scaling(), workload=a_deployment(owners=owners))).next_step
    assert f"scale {WEB} from 3 to 5 replicas" in told
    assert "kubectl scale Deployment/web -n shop --replicas=5" in told
