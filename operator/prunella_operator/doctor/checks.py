"""`prunella doctor`: is everything there that operator and worker need? Each check says what to do when it is not.

Looks only, changes nothing. A check that needs an earlier one is skipped when that one failed.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check
from prunella_operator.doctor.encryption import check_payloads
from prunella_operator.doctor.permissions import BY_NAMESPACE, LEAD, LEFT_TO_THE_OTHER, RULES, Rule
from prunella_operator.doctor.policies import check_policies
from prunella_operator.doctor.webhook import check_webhook
from prunella_operator.kubernetes.api import Api
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_workflows.model.errors import NotFound, PrunellaError
from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.measurement import Reading

MAX_SKEW = 5.0  # seconds; ages, budgets and maintenance windows mix our clock with the API server's
VERSION = "v1alpha1"


_NO_METRICS = NotConfigured()
_ALLOW = {
    False: "apply manifests/base, or run as an account bound to its roles",
    True: "for each namespace that is to be healed: prunella rbac NAMESPACE | kubectl apply -f -",
}

Connect = Callable[[], Api]
Crds = Callable[[], tuple[Mapping[str, Any], ...]]
Probe = Callable[[], str]


def examine(
    settings: Settings,
    connect: Connect,
    crds: Crds,
    temporal: Probe,
    now: Callable[[], datetime],
    *,
    metrics: MetricsSource = _NO_METRICS,
) -> Iterator[Check]:
    """All checks, one by one as they are made. `temporal` says what it found, or raises what went wrong."""
    try:
        api = connect()
        began = now()
        there = api.date()
        ours = began + (now() - began) / 2
    except PrunellaError as error:
        todo = "start the cluster, or name another with --kubeconfig or --context"
        yield Check("Kubernetes", passed=False, what=str(error), todo=todo)
    else:
        yield Check("Kubernetes", passed=True, what=f"{api.server} answers")
        yield check_clock(ours, there)
        yield from (check_crd(api, shipped) for shipped in crds())
        yield from check_permissions(api, settings.namespaces)
        if settings.leader_election:
            lead = dataclasses.replace(LEAD, name=settings.leader_lease_name)
            yield from check_permissions(api, (settings.leader_lease_namespace or api.namespace,), (lead,))
        yield from check_policies(api, settings.namespaces)
        if settings.prometheus_url is None:
            yield check_metrics_server(api)
    if settings.prometheus_url is not None:
        yield check_prometheus(settings.prometheus_url, metrics)
    yield check_temporal(settings, temporal)
    yield check_webhook(settings)
    yield check_payloads(settings)


def check_clock(ours: datetime, theirs: datetime) -> Check:
    """Whether our clock and the API server's agree; its Date header has whole seconds."""
    skew = (ours - theirs).total_seconds() - 0.5
    what = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the API server"
    return Check("Clock", abs(skew) <= MAX_SKEW, what, "let NTP set the clock of this machine")


def check_crd(api: Api, shipped: Mapping[str, Any]) -> Check:
    """Whether a CRD is installed and says all that the one we ship says."""
    name = shipped["metadata"]["name"]
    todo = "prunella crds | kubectl apply --server-side -f -"
    try:
        installed = api.call("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    except NotFound:
        return Check(f"CRD {name}", passed=False, what="not installed", todo=todo)
    except PrunellaError as error:
        return Check(f"CRD {name}", passed=False, what=str(error), todo="ask an administrator of the cluster to look")
    served = [version["name"] for version in installed["spec"]["versions"] if version["served"]]
    if VERSION not in served:
        return Check(f"CRD {name}", passed=False, what=f"serves {', '.join(served)}, not {VERSION}", todo=todo)
    missing = difference(shipped["spec"], installed["spec"])
    what = f"{VERSION} is served" if not missing else f"is of another version: {missing} differs"
    return Check(f"CRD {name}", not missing, what, todo)


def difference(shipped: Any, installed: Any, path: str = "spec") -> str:
    """The first place where the installed object lacks what we ship; it may say more, for the server adds defaults."""
    if isinstance(shipped, Mapping) and isinstance(installed, Mapping):
        pairs = ((f"{path}.{key}", value, installed.get(key)) for key, value in shipped.items())
    elif isinstance(shipped, list) and isinstance(installed, list) and len(shipped) == len(installed):
        pairs = ((f"{path}[{i}]", value, installed[i]) for i, value in enumerate(shipped))
    else:
        return "" if shipped == installed or not (shipped or installed) else path
    return next(filter(None, (difference(value, there, place) for place, value, there in pairs)), "")


def check_permissions(api: Api, namespaces: tuple[str, ...], needed: tuple[Rule, ...] = RULES) -> Iterator[Check]:
    """Whether the caller may do what operator and worker do. One line per area keeps the report readable."""
    for area in dict.fromkeys(rule.area for rule in needed):
        try:
            found = _check_area(api, area, [rule for rule in needed if rule.area == area], namespaces)
        except PrunellaError as error:
            found = Check(f"May {area}", passed=False, what=str(error), todo="see the API server's message")
        if found:
            yield found


def _check_area(api: Api, area: str, rules: list[Rule], namespaces: tuple[str, ...]) -> Check | None:
    """One area of permissions; None when this account leaves it to the other one."""
    account, role = _account(api), rules[0].role
    if role == LEFT_TO_THE_OTHER.get(account):
        return None
    denied = [str(rule) for rule in rules if not _allowed(api, rule, namespaces)]
    if denied and role in BY_NAMESPACE and account in LEFT_TO_THE_OTHER and not (namespaces or _opted_in(api)):
        return Check(f"May {area}", passed=True, what="no namespace has opted in yet, so nowhere")
    what = f"may not {'; '.join(denied)}" if denied else f"{len(rules)} permissions"
    return Check(f"May {area}", not denied, what, _ALLOW[role in BY_NAMESPACE])


def _account(api: Api) -> str:
    """The name of the ServiceAccount that asks, or of whoever else does."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    return str(answer["status"]["userInfo"]["username"]).rpartition(":")[2]


def _allowed(api: Api, rule: Rule, namespaces: tuple[str, ...]) -> bool:
    """Whether the caller has the permission everywhere, or, where that is enough, in all namespaces that opted in."""
    scopes = ("",) if rule.cluster or not namespaces else namespaces
    if all(_review(api, rule, verb, namespace) for namespace in scopes for verb in rule.verbs):
        return True
    if namespaces or rule.role not in BY_NAMESPACE:
        return False
    names = _opted_in(api)
    return bool(names) and all(_review(api, rule, verb, name) for name in names for verb in rule.verbs)


def _opted_in(api: Api) -> list[str]:
    """The namespaces in which repairs are wanted."""
    found = api.call("GET", "/api/v1/namespaces", labelSelector=f"{HEAL} in (enabled,by-policy)")["items"]
    return [one["metadata"]["name"] for one in found]


def _review(api: Api, rule: Rule, verb: str, namespace: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {"verb": verb, "group": rule.group, "resource": resource, "namespace": namespace, "name": rule.name}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "subresource": subresource}},
    }
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


def check_temporal(settings: Settings, probe: Probe) -> Check:
    """Whether Temporal answers and knows our namespace."""
    todo = (
        "start it, name another with --temporal-address, or let `prunella run` start its own; a missing namespace: "
        f"temporal operator namespace create -n {settings.temporal_namespace}"
    )
    try:
        return Check("Temporal", passed=True, what=probe())
    except (PrunellaError, RuntimeError, OSError) as error:
        return Check("Temporal", passed=False, what=f"{settings.temporal_target}: {error}", todo=todo)


def check_prometheus(url: str, metrics: MetricsSource) -> Check:
    """Whether Prometheus answers the simplest question."""
    answer = metrics.value("vector(1)")
    if isinstance(answer, Reading):
        return Check("Prometheus", answer.value == 1, f"{url} answers {answer.value:g} to vector(1)")
    todo = "see prometheus_url, prometheus_token_file and prometheus_ca_file in `prunella settings`"
    return Check("Prometheus", passed=False, what=f"{url}: {answer}", todo=todo)


def check_metrics_server(api: Api) -> Check:
    """Whether metrics-server, if there is one, serves. To have no measurements at all is allowed, and said."""
    try:
        api.call("GET", "/apis/metrics.k8s.io/v1beta1")
    except NotFound:
        what = "neither Prometheus nor metrics-server: pressure cannot be confirmed, checks of policies not answered"
        return Check("Measurements", passed=True, what=what)
    except PrunellaError as error:
        todo = "mend metrics-server (kubectl get apiservice v1beta1.metrics.k8s.io), or set prometheus_url"
        return Check("Measurements", passed=False, what=f"metrics-server does not answer: {error}", todo=todo)
    return Check("Measurements", passed=True, what="metrics-server answers; checks of policies need a Prometheus")
