"""Alerts about workloads: while one fires, calm pods are no recovery."""

import time
import urllib.request
from collections.abc import Callable

from support import samples
from support.cases import builders as shop
from support.cases.run import CLOSED, CaseRun
from support.notifications import an_alert, body

from prunella_operator import clock
from prunella_operator.alerts.webhook import PATH


def _sent(run: CaseRun, status: str) -> None:
    """Send the alert as Alertmanager does."""
    labels = {"alertname": "KubeDeploymentReplicasMismatch", "severity": "critical"}
    alert = an_alert(
        status=status,
        labels={**labels, "namespace": run.namespace, "deployment": run.case.workload},
        startsAt=(run.broken_at or clock.now()).isoformat(),
        **({"endsAt": clock.now().isoformat()} if status == "resolved" else {}),
        fingerprint=f"{hash(run.namespace) & (1 << 63) - 1:016x}",
    )
    address = f"http://127.0.0.1:{run.prunella.settings['webhook_port']}{PATH}"
    notification = body(alert, status=status, groupKey=run.namespace)
    request = urllib.request.Request(address, notification, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        assert answer.status == 200


def _fires(*first: Callable[[CaseRun], None]) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        for step in first:
            step(run)
        _sent(run, "firing")

    return act


def _fires_for(seconds: int) -> Callable[[CaseRun], None]:
    """It fires for longer than calm pods need to count as recovered, and then ends."""

    def act(run: CaseRun) -> None:
        run.opened()
        time.sleep(seconds)
        found = [(incident.get("status") or {}).get("phase") for incident in run.incidents()]
        assert len(found) == 1
        assert not set(found) & CLOSED, "it was closed while its alert fired"
        _sent(run, "resolved")

    return act


def _about_nothing(run: CaseRun) -> None:
    """A person names a workload that does not exist."""
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "nowhere-"
    target = {**incident["spec"]["target"], "kind": "StatefulSet", "name": "nowhere"}
    incident["spec"] = {"target": target, "type": "Unavailable"}
    run.api.apply(incident)


CASES = (
    shop.escalated("alert-ends", shop.applied(), _fires(), "Cancelled", "", phase="Cancelled", then=_fires_for(60)),
    shop.escalated(
        "alert-fires-on", shop.applied(), _fires(), "AlertStillFiring", "unknown", policy={"alertPatience": "45s"}
    ),
    shop.rolled_back("alert-and-release", shop.applied(), _fires(shop.applied(shop.bad()))),
    shop.healed("alert-and-oom", shop.applied(), _fires(shop.restarted(SHOP_MEMORY_MIB="90")), "pod_oom_killed"),
    shop.escalated("nowhere", shop.applied(), _about_nothing, "NotFound", "", phase="Failed"),
)
