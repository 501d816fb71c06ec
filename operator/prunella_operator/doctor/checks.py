"""The read-only checks of `prunella doctor`. A failure says how to fix it; checks that depend on it are skipped."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.answer_links import check_links
from prunella_operator.doctor.check import Check
from prunella_operator.doctor.encryption import check_payloads
from prunella_operator.doctor.permissions import LEAD, RECORDS, check_permissions
from prunella_operator.doctor.policies import check_policies
from prunella_operator.doctor.webhook import check_webhook
from prunella_operator.kubernetes.api import Api
from prunella_operator.kubernetes.track_records import NAMESPACE
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_workflows.model.errors import NotFound, PrunellaError
from prunella_workflows.model.labels import VERSION
from prunella_workflows.model.measurement import Reading

MAX_CLOCK_SKEW_SECONDS = 5.0  # ages, budgets and maintenance windows compare our clock with the API server's
_NO_METRICS = NotConfigured()

Connect = Callable[[], Api]
Crds = Callable[[], tuple[Mapping[str, Any], ...]]
Probe = Callable[[], str]


def run_checks(
    settings: Settings,
    connect: Connect,
    crds: Crds,
    temporal: Probe,
    now: Callable[[], datetime],
    *,
    metrics: MetricsSource = _NO_METRICS,
) -> Iterator[Check]:
    """Run all checks and yield each result as it arrives. `temporal` returns its finding, or raises."""
    yield from _check_cluster(settings, connect, crds, now)
    if settings.prometheus_url is not None:
        yield check_prometheus(settings.prometheus_url, metrics)
    yield check_temporal(settings, temporal)
    yield check_webhook(settings)
    yield check_payloads(settings)
    if (links := check_links(settings)) is not None:
        yield links


def _check_cluster(settings: Settings, connect: Connect, crds: Crds, now: Callable[[], datetime]) -> Iterator[Check]:
    try:
        api = connect()
        started = now()
        server_time = api.date()
        own_time = started + (now() - started) / 2
    except PrunellaError as error:
        fix = "start the cluster, or select another one with --kubeconfig or --context"
        yield Check("Kubernetes", passed=False, message=str(error), fix=fix)
        return
    yield Check("Kubernetes", passed=True, message=f"{api.server} responds")
    yield check_clock(own_time, server_time)
    yield from (check_crd(api, shipped) for shipped in crds())
    yield from check_permissions(api, settings.namespaces)
    yield from check_permissions(api, (NAMESPACE,), (RECORDS,))
    if settings.leader_election:
        lead = dataclasses.replace(LEAD, name=settings.leader_lease_name)
        yield from check_permissions(api, (settings.leader_lease_namespace or api.namespace,), (lead,))
    yield from check_policies(api, settings.namespaces)
    if settings.prometheus_url is None:
        yield check_metrics_server(api)


def check_clock(own_time: datetime, server_time: datetime) -> Check:
    """Compare the clocks; the API server's Date header has whole seconds, so its time is half a second more."""
    skew = (own_time - server_time).total_seconds() - 0.5
    message = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the API server"
    return Check("Clock", abs(skew) <= MAX_CLOCK_SKEW_SECONDS, message, "synchronize this machine's clock with NTP")


def check_crd(api: Api, shipped: Mapping[str, Any]) -> Check:
    """Check that a CRD is installed and contains everything in the one we ship."""
    name = shipped["metadata"]["name"]
    title, fix = f"CRD {name}", "prunella crds | kubectl apply --server-side -f -"
    try:
        installed = api.call("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    except NotFound:
        return Check(title, passed=False, message="not installed", fix=fix)
    except PrunellaError as error:
        return Check(title, passed=False, message=str(error), fix="ask a cluster administrator to check")
    served = [version["name"] for version in installed["spec"]["versions"] if version["served"]]
    if VERSION not in served:
        return Check(title, passed=False, message=f"serves {', '.join(served)}, not {VERSION}", fix=fix)
    place = find_difference(shipped["spec"], installed["spec"])
    message = f"{VERSION} is served" if not place else f"is another version: {place} differs"
    return Check(title, not place, message, fix)


def find_difference(shipped: Any, installed: Any, path: str = "spec") -> str:
    """The first path missing from the installed object; "" if none. Extra fields are fine: the server adds defaults."""
    if isinstance(shipped, Mapping) and isinstance(installed, Mapping):
        pairs = ((f"{path}.{key}", value, installed.get(key)) for key, value in shipped.items())
    elif isinstance(shipped, list) and isinstance(installed, list) and len(shipped) == len(installed):
        pairs = ((f"{path}[{i}]", value, installed[i]) for i, value in enumerate(shipped))
    else:
        return "" if shipped == installed or not (shipped or installed) else path
    return next(filter(None, (find_difference(value, there, place) for place, value, there in pairs)), "")


def check_temporal(settings: Settings, probe: Probe) -> Check:
    """Check that Temporal responds and has our namespace."""
    fix = (
        "start it, select another with --temporal-address, or let `prunella run` embed one; if the namespace is "
        f"missing: temporal operator namespace create -n {settings.temporal_namespace}"
    )
    try:
        return Check("Temporal", passed=True, message=probe())
    except (PrunellaError, RuntimeError, OSError) as error:
        return Check("Temporal", passed=False, message=f"{settings.temporal_target}: {error}", fix=fix)


def check_prometheus(url: str, metrics: MetricsSource) -> Check:
    """Check that Prometheus evaluates the simplest query."""
    result = metrics.value("vector(1)")
    if isinstance(result, Reading):
        return Check("Prometheus", result.value == 1, f"{url} returns {result.value:g} for vector(1)")
    fix = "see prometheus_url, prometheus_token_file and prometheus_ca_file in `prunella settings`"
    return Check("Prometheus", passed=False, message=f"{url}: {result}", fix=fix)


def check_metrics_server(api: Api) -> Check:
    """Check that metrics-server responds, if installed. Running without any metrics is allowed, but reported."""
    try:
        api.call("GET", "/apis/metrics.k8s.io/v1beta1")
    except NotFound:
        message = "neither Prometheus nor metrics-server: saturation cannot be confirmed, policy checks cannot run"
        return Check("Metrics", passed=True, message=message)
    except PrunellaError as error:
        fix = "repair metrics-server (kubectl get apiservice v1beta1.metrics.k8s.io), or set prometheus_url"
        return Check("Metrics", passed=False, message=f"metrics-server does not respond: {error}", fix=fix)
    return Check("Metrics", passed=True, message="metrics-server responds; policy checks need Prometheus")
