"""Pods that the API server refuses or changes: webhooks, admission policies, quotas, runtimes.

Only what the release itself asks for makes it guilty.
"""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.environment import WITH_SECRET, admit_only, no_secret, runtime, secret, trial, webhook_down
from support.cases.run import CLOSED, Case, CaseRun
from support.mutating_webhook import inject, leave_pods

_NOT_DEBUGGING = "object.spec.containers.all(c, !has(c.env) || c.env.all(e, e.name != 'SHOP_DEBUG'))"


def _nothing(run: CaseRun) -> None:
    """The surroundings stay as they are."""


def _after(act: Callable[[CaseRun], Any], *edits: shop.Edit) -> Callable[[CaseRun], None]:
    """A good release, into surroundings that have changed."""

    def release(run: CaseRun) -> None:
        act(run)
        shop.applied(shop.release(2), shop.deadline(), *edits)(run)

    return release


def _webhook_down(run: CaseRun) -> None:
    webhook_down(run)
    shop.drop_pod(run)


def _closed_shop(run: CaseRun) -> None:
    """A policy of the cluster that no pod of this namespace fulfils."""
    admit_only(run, "false")
    shop.drop_pod(run)


def _no_debugging(run: CaseRun) -> None:
    admit_only(run, _NOT_DEBUGGING, wait=False)
    shop.applied()(run)


def _sidecar(**env: str) -> Callable[[CaseRun], None]:
    """A mesh puts its container into every new pod."""

    def act(run: CaseRun) -> None:
        main = samples.container(shop.app(run)[1])
        kept = {key: value for key, value in main.items() if key not in {"ports", "readinessProbe", "envFrom"}}
        values = [{"name": name, "value": value} for name, value in {"SHOP_PORT": "8081", **env}.items()]
        inject(run, {**kept, "name": "mesh", "env": values})
        until(lambda: _containers(run) == 2, 30, "new pods get another container")

    return act


def _containers(run: CaseRun) -> int:
    pod: Object = trial(run) or {"spec": {"containers": []}}
    return len(pod["spec"]["containers"])


def _meshed_and_bad(run: CaseRun) -> None:
    _sidecar()(run)
    shop.applied(shop.bad())(run)


def _no_mesh(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") in CLOSED, "it is over")
    leave_pods(run)


def _quota(**hard: str) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        shop.limits_of_namespace(run, "ResourceQuota", hard={key.replace("_", "."): hard[key] for key in hard})
        shop.applied()(run)

    return act


def _on_runtime(run: CaseRun) -> None:
    shop.applied(runtime(run, "runc"))(run)


def _runtime_gone(run: CaseRun) -> None:
    """The runtime's name means another one now, which no node has."""
    broken = runtime(run, "not-installed")
    shop.applied(broken, shop.release(2), shop.deadline())(run)


def _with_secret(run: CaseRun) -> None:
    shop.applied(secret(run, TOKEN="hunter2"))(run)


def _secret_gone(run: CaseRun) -> None:
    """Both releases need it, so that the one before could start no pod either."""
    no_secret(run)
    shop.applied(WITH_SECRET, shop.release(2))(run)


def _volume_gone(run: CaseRun) -> None:
    no_secret(run)
    shop.drop_pod(run)


def _mounted(run: CaseRun) -> None:
    secret(run, TOKEN="hunter2")
    shop.applied(_volume)(run)


def _volume(obj: Object) -> None:
    shop.pods(volumes=[{"name": "token", "secret": {"secretName": "token"}}])(obj)
    shop.server(volumeMounts=[{"name": "token", "mountPath": "/token"}])(obj)


def _someone(name: str, before: Any, breaks: Any, reason: str, cause: str, **more: Any) -> Case:
    """A case for people: the release is not to blame."""
    return shop.escalated(name, before, breaks, reason, cause, **more)


def _asks_for(name: str, *edits: shop.Edit, before: Any = None) -> Case:
    """A release whose own wish is refused."""
    return shop.rolled_back(name, before or shop.applied(), shop.applied(shop.release(2), shop.deadline(), *edits))


_NO_WEBHOOK = ("AdmissionRefused", "admission_refused")
_MORE_CPU = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "20m", "memory": "16Mi"}}

CASES = (
    _someone("webhook-down", shop.applied(), _after(webhook_down), *_NO_WEBHOOK),
    _someone("webhook-down-for-a-pod", shop.applied(shop.replicas(2)), _webhook_down, *_NO_WEBHOOK),
    _someone("policy-refuses-all", shop.applied(shop.replicas(2)), _closed_shop, *_NO_WEBHOOK),
    _asks_for("policy-refuses-release", shop.env(SHOP_DEBUG="true"), before=_no_debugging),
    _someone(
        "sidecar-crashes",
        shop.applied(),
        _after(_sidecar(SHOP_REQUIRE_ENV="MESH_KEY")),
        "InnocentRelease",
        "environment_changed",
        then=_no_mesh,
    ),
    shop.rolled_back("sidecar-is-well", shop.applied(), _meshed_and_bad, then=_no_mesh),
    _someone(
        "quota-asks-for-less",
        _quota(limits_memory="96Mi"),
        _after(_nothing, shop.memory("48Mi")),
        "QuotaExceeded",
        "quota_exceeded",
    ),
    _asks_for("quota-asks-for-more", shop.server(resources=_MORE_CPU), before=_quota(requests_cpu="10m")),
    _someone("runtime-gone", _on_runtime, _runtime_gone, "SandboxFailed", "sandbox_failed"),
    shop.escalated(  # nothing says whether the class that is taken back isolated the pods
        "no-such-runtime",
        shop.applied(),
        shop.applied(shop.pods(runtimeClassName="missing"), shop.deadline()),
        "Forbidden",
        "bad_release",
        refused=True,
    ),
    _someone("secret-gone-and-release", _with_secret, _secret_gone, "ConfigMissing", "config_missing"),
    _asks_for("no-such-secret", WITH_SECRET),
    _someone("secret-volume-gone", _mounted, _volume_gone, "ConfigMissing", "config_missing", slow=True),
)
