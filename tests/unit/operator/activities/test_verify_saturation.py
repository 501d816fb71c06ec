"""Verification of saturation: what is read to confirm it and to judge its repair, and the state for the next poll."""

from datetime import timedelta

import pytest
from fakes.kube import FakeKube
from fakes.objects import LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, at

from prunella_operator import clock
from prunella_operator.activities.diagnose import Diagnoser
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.activities.verify import Verifier
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_workflows.contracts.healing import ConfirmRequest, DiagnoseRequest, VerifyRequest
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.outcome import Cause, Presence, Verdict
from prunella_workflows.model.plan import Precondition, RaiseMaxReplicas, Relief, Scale, Settle

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
SPEC = IncidentSpec(type=IncidentType.HIGH_CPU, target=TargetRef(kind="Deployment", name="web"))
SETTLE = Settle(timeout=120, window=60, relief=Relief(resource="cpu", container="app", below=0.8))
HPA = paths.autoscalers("shop", "web")
PODS = ("web-a", "web-b")


def a_core():
    template = a_template(1)
    template["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1"
    return template


DIGEST = template_hash(a_core())


@pytest.fixture
def kube():
    """Two pods of web, which may use a core each."""
    deployment = a_deployment(a_core(), annotations={LAST_ACTION: "a-1"})
    labels = {"prunella.dev/heal": "enabled"}
    return a_cluster(
        FakeKube(), deployment, [a_replica_set(1, a_core())], [a_pod(name, 1) for name in PODS], labels=labels
    )


def use(kube, *cores):
    """The usage that metrics-server reports now."""
    now = clock.now().isoformat()
    for name, used in zip(PODS, cores, strict=True):
        body = {"timestamp": now, "containers": [{"name": "app", "usage": {"cpu": used, "memory": "20Mi"}}]}
        kube.put(f"{paths.pod_metrics('shop')}/{name}", body)


def an_autoscaler(kube, maximum=2, desired=2, **meta):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": maximum}
    kube.put(HPA, {"metadata": {"namespace": "shop", **meta}, "spec": spec}, currentReplicas=2, desiredReplicas=desired)


def diagnoser(kube):
    collector = EvidenceCollector(kube, 30)
    return Diagnoser(kube, collector, Repairer(kube, collector, ()), (), 0)


def confirmed(kube, **values):
    request = ConfirmRequest(**{"incident": INCIDENT, "spec": SPEC, "opened_at": at(LONG_AGO), **values})
    return diagnoser(kube).confirm(request).sighting


def diagnosed(kube):
    request = DiagnoseRequest(incident=INCIDENT, spec=SPEC, opened_at=at(LONG_AGO), target=WEB)
    return diagnoser(kube).diagnose(request)


def verified(kube, action=None, after=70.0, **values):
    """One poll that long after the write."""
    asked = {"action_id": "a-1", "template_hash": DIGEST, "settle": SETTLE, **values}
    written = clock.now() - timedelta(seconds=after)
    return Verifier(EvidenceCollector(kube, 30)).verify(
        VerifyRequest(target=WEB, action=action, written_at=written, **asked)
    )


def scaled(to=2, before=1):
    require = Precondition(uid=WEB.uid, template_hash=DIGEST)
    return Scale(target=WEB, require=require, replicas_from=before, replicas_to=to)


def raised(to=2):
    return RaiseMaxReplicas(target=WEB, require=Precondition(uid="u"), autoscaler="web", max_from=1, max_to=to)


def test_pressure_that_lasts_is_confirmed_by_what_is_measured(kube):
    use(kube, "900m", "900m")
    assert confirmed(kube).reason == "PressurePersists"


def test_without_metrics_it_is_watched_for_a_while(kube):
    just_now = confirmed(kube, opened_at=clock.now())
    assert (just_now.presence, just_now.reason) == (Presence.WATCHING, "NotMeasured")
    assert (confirmed(kube).presence, confirmed(kube).reason) == (Presence.FAILING, "NotMeasured")


def test_an_autoscaler_that_acts_is_seen_while_confirming(kube):
    use(kube, "900m", "900m")
    an_autoscaler(kube, maximum=9)
    assert confirmed(kube).reason == "AutoscalerActs"


def test_the_calm_goes_from_look_to_look(kube):
    use(kube, "100m", "100m")
    first = confirmed(kube)
    assert first.presence is Presence.WATCHING
    assert clock.now() - first.calm_since < timedelta(seconds=5)
    long_calm = clock.now() - timedelta(minutes=1)
    assert confirmed(kube, calm_since=long_calm).presence is Presence.RECOVERED


def test_a_diagnosis_plans_a_scaling_within_the_quota_and_shows_its_diff(kube):
    use(kube, "900m", "900m")
    kube.put("/api/v1/namespaces/shop/resourcequotas/a", {"spec": {}}, hard={"pods": "3"}, used={"pods": "2"})
    report = diagnosed(kube)
    (step,) = report.plan.steps
    assert (report.diagnosis.cause, step.action.replicas_from, step.action.replicas_to) == (Cause.HIGH_CPU, 2, 3)
    assert report.diff.endswith("-replicas: 2\n+replicas: 3")


def test_a_diagnosis_without_metrics_hands_over(kube):
    report = diagnosed(kube)
    assert (report.plan.steps, report.plan.reason) == ((), "MetricsUnavailable")
    assert any(note.source == "Usage" for note in report.evidence)


def test_a_diagnosis_leaves_the_replicas_to_an_autoscaler(kube):
    use(kube, "900m", "900m")
    an_autoscaler(kube)
    report = diagnosed(kube)
    assert (report.plan.steps, report.plan.reason) == ((), "HpaAtMaximum")


@pytest.mark.parametrize(
    ("used", "values", "verdict", "reason"),
    [
        (("300m", "300m"), {}, None, "Holding"),
        (("900m", "900m"), {}, None, "StillHigh"),
        (("900m", "900m"), {"after": 121}, Verdict.NOT_HEALED, "StillHigh"),
        ((), {}, None, "MetricsUnavailable"),
        ((), {"after": 181}, Verdict.INCONCLUSIVE, "MetricsUnavailable"),
    ],
)
def test_a_scaling_is_judged_by_what_is_used(kube, used, values, verdict, reason):
    if used:
        use(kube, *used)
    judgement = verified(kube, scaled(), **values)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_a_scaling_whose_calm_has_held_is_healed(kube):
    use(kube, "300m", "300m")
    long_calm = clock.now() - timedelta(seconds=61)
    judgement = verified(kube, scaled(), calm_since=long_calm)
    assert (judgement.verdict, judgement.calm_since) == (Verdict.HEALED, long_calm)


def test_a_number_that_is_not_ours_decides_nothing(kube):
    use(kube, "300m", "300m")
    assert verified(kube, scaled(to=5, before=3)).reason == "ChangedByOthers"
    assert verified(kube, scaled(to=5, before=2)).reason == "OwnedElsewhere"


def test_the_calm_of_a_scaling_survives_the_policys_checks(kube):
    """Checks run once the pods are stable, and may run again: that must not restart the window."""
    use(kube, "300m", "300m")
    long_calm = clock.now() - timedelta(seconds=61)
    judgement = verified(kube, scaled(), calm_since=long_calm, has_checks=True)
    assert (judgement.reason, judgement.calm_since) == ("ChecksUnavailable", long_calm)


@pytest.mark.parametrize(
    ("maximum", "mark", "reason"),
    [(2, "a-9", "Holding"), (1, "a-9", "OwnedElsewhere"), (7, "a-9", "ChangedByOthers"), (2, "x", "ChangedByOthers")],
)
def test_a_higher_maximum_is_looked_for_on_the_autoscaler(kube, maximum, mark, reason):
    """The workload carries the id of an earlier action, which does not matter."""
    use(kube, "300m", "300m")
    an_autoscaler(kube, maximum=maximum, annotations={LAST_ACTION: mark})
    assert verified(kube, raised(), action_id="a-9", template_hash="").reason == reason


def test_an_autoscaler_that_is_gone_decides_nothing(kube):
    assert verified(kube, raised(), action_id="a-9", template_hash="").reason == "ChangedByOthers"


def test_usage_is_asked_for_only_where_it_is_the_question(kube):
    verified(kube, settle=Settle(timeout=120, window=60))
    assert not [path for _, path in kube.requests if "metrics.k8s.io" in path or "autoscaling" in path]
