"""Culprits: the object outside of a release that keeps its pods from running, as the cluster's own messages name it.

A pod that crashes has run, so its words count and not the cluster's; see `program_output`.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from prunella_workflows.decisions.diagnosis.evictions import eviction_message, exceeds_own_limit
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence

_RAN = frozenset({Kind.CRASH, Kind.OOM})
_RECENT = timedelta(minutes=10)
_PRESSURE_TAINT = re.compile(r"node\.kubernetes\.io/(memory|disk|pid)-pressure")
_QUOTA = re.compile(r"\b(?:exceeded|failed) quota: ([^\s,:]+)")
_WEBHOOK = re.compile(r"\b(?:failed calling webhook|admission webhook) \"([^\"]+)\"")
_ADMISSION_POLICY = re.compile(r"\bValidatingAdmissionPolicy '([^']+)'")
_VOLUME = re.compile(r"\bvolume \"([^\"]+)\"")
_KEYLESS_VOLUME = re.compile(r"\bvolume \"([^\"]+)\" : references non-existent (?:secret|config) key: (\S+)")
_IMAGE = re.compile(r"\bimage \"([^\"]+)\"")
REGISTRY_SILENT = re.compile(
    r"connection refused|i/o timeout|no such host|TLS handshake timeout|deadline exceeded|server misbehaving|"
    r"network is unreachable|no route to host|connection reset|50[0234] |too ?many ?requests|x509:",
    re.IGNORECASE,
)
PULL_REFUSED = re.compile(r"unauthorized|access denied|denied:|forbidden|authentication required", re.IGNORECASE)
_NODES = "the nodes"


class Culprit(Value):
    """The object to blame, the proof as a sentence, the failures that it explains, and a next step to be copied."""

    target: str
    message: str
    next_step: str
    failures: tuple[Symptom, ...] = ()


def find_missing_object(findings: Findings) -> Culprit | None:
    """The Secret, ConfigMap, key or other object that the pods refer to and that does not exist."""
    missing, failures = sorted(findings.missing_objects), _kept_from_running(findings)
    unkeyed = next((match for failure in failures if (match := _KEYLESS_VOLUME.search(failure.message))), None)
    if unkeyed is not None:
        missing.append(f"volume {unkeyed[1]} (key {unkeyed[2]})")
    if not missing or not failures:
        return None
    return Culprit(
        target=missing[0],
        message=f"The pods refer to {', '.join(missing)}, which is missing: {failures[0]}.",
        next_step=f"Restore {', '.join(missing)}. See what is there: {_describe(missing[0], findings.evidence)}",
        failures=failures,
    )


def find_unavailable_image(findings: Findings) -> Culprit | None:
    """The image that cannot be pulled, with whether its registry answers."""
    failures = _kept_from_running(findings, Kind.IMAGE)
    if not failures:
        return None
    first, evidence = failures[0], findings.evidence
    image = _image(first, evidence)
    where = f"kubectl describe pod {first.pod} -n {evidence.workload.ref.namespace}"
    if any(REGISTRY_SILENT.search(text) for text in pull_messages(first, evidence)):
        state, step = f"its registry {registry(image)} does not answer", "Check the registry and the way to it"
    elif any(PULL_REFUSED.search(text) for text in pull_messages(first, evidence)):
        state, step = f"its registry {registry(image)} refuses it", "Check that it exists, and the pull secret"
    else:
        state, step = "it does not exist", "Push it again"
    return Culprit(
        target=image,
        message=f"Image {image} cannot be pulled: {state}. {first}.",
        next_step=f"{step}: {where}",
        failures=failures,
    )


def pull_messages(failure: Symptom, evidence: Evidence) -> list[str]:
    """The kubelet's words on a pull; while it backs off only Events have the registry's answer."""
    return [failure.message, *(event.message for event in evidence.events if event.about == failure.pod)]


def _image(failure: Symptom, evidence: Evidence) -> str:
    named = _IMAGE.search(failure.message)
    images = (container.image for container in evidence.workload.containers if container.name == failure.container)
    return named[1] if named else next(images, "")


def registry(image: str) -> str:
    """The host of an image's registry."""
    host, _, rest = image.partition("/")
    return host if rest and ("." in host or ":" in host or host == "localhost") else "docker.io"


def find_exceeded_quota(findings: Findings) -> Culprit | None:
    """The ResourceQuota that leaves no room for the pods."""
    failures = _matching(_kept_from_running(findings, Kind.NOT_MADE), _QUOTA)
    if not failures or (named := _QUOTA.search(failures[0].message)) is None:
        return None
    namespace = findings.evidence.workload.ref.namespace
    return Culprit(
        target=f"ResourceQuota/{named[1]}",
        message=f"ResourceQuota {named[1]} refuses the pods: {failures[0].message}.",
        next_step=f"Raise the quota or free some of it: kubectl describe resourcequota {named[1]} -n {namespace}",
        failures=failures,
    )


def find_refusing_admission(findings: Findings) -> Culprit | None:
    """The webhook or the rule by which the API server refuses the pods."""
    failures = _kept_from_running(findings, Kind.NOT_MADE)
    if not failures:
        return None
    target, step = _admission(failures[0].message, findings.evidence.workload.ref.namespace)
    message = f"The API server refuses the pods: {failures[0].message}."
    return Culprit(target=target, message=message, next_step=step, failures=failures)


def _admission(text: str, namespace: str) -> tuple[str, str]:
    """The object that refuses, and how to look at it."""
    if webhook := _WEBHOOK.search(text):
        columns = "NAME:.metadata.name,WEBHOOKS:.webhooks[*].name,SERVICE:.webhooks[*].clientConfig.service.name"
        kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
        return f"Webhook/{webhook[1]}", f"Check the webhook's service: kubectl get {kinds} -o custom-columns={columns}"
    if policy := _ADMISSION_POLICY.search(text):
        name = policy[1]
        return f"ValidatingAdmissionPolicy/{name}", f"kubectl describe validatingadmissionpolicy {name}"
    if "PodSecurity" in text:
        return (
            f"Namespace/{namespace}",
            f"Check its labels: kubectl get namespace {namespace} --show-labels",
        )
    return f"Namespace/{namespace}", f"Check its limits: kubectl describe limitrange,resourcequota -n {namespace}"


def find_full_nodes(findings: Findings) -> Culprit | None:
    """The nodes, when the scheduler finds none that takes the pods."""
    failures = _kept_from_running(findings, Kind.UNSCHEDULABLE)
    if not failures:
        return None
    first, namespace = failures[0], findings.evidence.workload.ref.namespace
    return Culprit(
        target=_NODES,
        message=f"No node takes the pods: {first.message}.",
        next_step=f"Compare the nodes with what the pod asks for: kubectl describe pod {first.pod} -n {namespace}; "
        "kubectl describe nodes",
        failures=failures,
    )


def find_failed_sandbox(findings: Findings) -> Culprit | None:
    """The node whose runtime or network plugin cannot make the sandbox of a pod."""
    failures = _with_reason(_kept_from_running(findings, Kind.CONFIG), "FailedCreatePodSandBox")
    if not failures:
        return None
    first, evidence = failures[0], findings.evidence
    node = next((pod.node for pod in evidence.live_pods if pod.name == first.pod), "")
    return Culprit(
        target=f"Node/{node}",
        message=f"Node {node} cannot make the sandbox of pod {first.pod}: {first.message}.",
        next_step="Check the network plugin and the runtime of the node: "
        f"kubectl get pods -n kube-system -o wide --field-selector spec.nodeName={node}",
        failures=failures,
    )


def find_unavailable_volume(findings: Findings) -> Culprit | None:
    """The volume that cannot be attached or mounted."""
    reasons = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
    failures = _with_reason(_kept_from_running(findings, Kind.CONFIG), *reasons)
    if not failures:
        return None
    first, namespace = failures[0], findings.evidence.workload.ref.namespace
    named = _VOLUME.search(first.message)
    return Culprit(
        target=f"volume {named[1]}" if named else f"Pod/{first.pod}",
        message=f"A volume of pod {first.pod} cannot be used: {first.message}.",
        next_step=f"kubectl describe pod {first.pod} -n {namespace}; kubectl get pvc,volumeattachments -n {namespace}",
        failures=failures,
    )


def find_pressed_node(findings: Findings) -> Culprit | None:
    """The node that is short of memory, disk or process ids: it evicted the pods, or takes none."""
    name, proof = next(_pressed_nodes(findings), ("", ""))
    if not proof or any(failure.kind is Kind.CRASH for failure in findings.failures):
        return None
    step = f"kubectl describe node {name}" if name else "kubectl describe nodes"
    return Culprit(
        target=f"Node/{name}" if name else _NODES,
        message=f"{proof}.",
        next_step=f"Free what the node lacks, or add nodes: {step}",
        failures=findings.failures,
    )


def _pressed_nodes(findings: Findings) -> Iterator[tuple[str, str]]:
    """Nodes that are short of something, with the proof. An eviction long ago explains nothing."""
    evidence = findings.evidence
    since = evidence.opened_at - _RECENT
    for pod in evidence.pods:
        recent = pod.evicted_at is not None and pod.evicted_at >= since
        why = eviction_message(evidence, pod)
        if pod.evicted and recent and not exceeds_own_limit(why):
            yield pod.node, f"Node {pod.node} evicted pod {pod.name}: {why}"
    for node in evidence.nodes:
        if node.pressure and any(pod.node == node.name and not pod.ready for pod in evidence.live_pods):
            yield node.name, f"Node {node.name} reports {', '.join(node.pressure)}"
    for failure in _matching(findings.failures, _PRESSURE_TAINT):
        yield "", f"The nodes are short of memory, disk or process ids: {failure.message}"


def _kept_from_running(findings: Findings, *kinds: Kind) -> tuple[Symptom, ...]:
    """The failures (of these kinds), if no pod has run and failed: that would be another fault."""
    if any(failure.kind in _RAN for failure in findings.failures):
        return ()
    return tuple(failure for failure in findings.failures if not kinds or failure.kind in kinds)


def _matching(failures: Iterable[Symptom], pattern: re.Pattern[str]) -> tuple[Symptom, ...]:
    return tuple(failure for failure in failures if pattern.search(failure.message))


def _with_reason(failures: Iterable[Symptom], *reasons: str) -> tuple[Symptom, ...]:
    return tuple(failure for failure in failures if failure.reason in reasons)


def _describe(target: str, evidence: Evidence) -> str:
    """The command that shows an object without its contents."""
    kind, _, name = target.partition(" ")[0].partition("/")
    if not name:
        return f"kubectl describe {evidence.workload.ref} -n {evidence.workload.ref.namespace}"
    return f"kubectl describe {kind.lower()} {name} -n {evidence.workload.ref.namespace}"
