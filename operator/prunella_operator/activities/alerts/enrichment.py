"""Enrich an alert: resolve its workload, apply the policies' rules, and gather facts for people. Writes nothing.

Only two reads must succeed: the policies, because their rules decide, and the workload. All other facts are optional;
a fact that cannot be read is reported as such.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import ValidationError

from prunella_operator import clock
from prunella_operator.activities.alerts.provenance import find_doubt
from prunella_operator.activities.alerts.target import TargetResolver
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents import deduplication
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.kubernetes.views.templates import container_views, revision_number, template_of
from prunella_operator.policies.kinds import address
from prunella_workflows.decisions import alert_classification
from prunella_workflows.decisions.alert_classification import NamedPolicy
from prunella_workflows.model.alert import Alert, Classified, Enriched
from prunella_workflows.model.alert_policy import AlertHandlingMode, AlertPolicy
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.errors import Forbidden, NotFound, PrunellaError
from prunella_workflows.model.incident_status import EvidenceNote
from prunella_workflows.model.measurement import NoData
from prunella_workflows.model.policy import ClusterHealingPolicySpec
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.validation import field_of
from prunella_workflows.model.workload import WorkloadRef

Heartbeat = Callable[[], None]
"""Reports that the activity is alive."""
_MAX_FACT = 600  # characters
_MAX_LISTED = 3  # releases, containers or incidents
_MAX_URL = 500  # characters
_MIB = 1 << 20
_OWNERS = ("owner", "team", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by")


class AlertEnricher:
    """Reads the cluster for one alert."""

    def __init__(self, kube: SyncClient, collector: EvidenceCollector, *, can_silence: bool) -> None:
        self._kube = kube
        self._collector = collector
        self._targets = TargetResolver(kube, collector)
        self._can_silence = can_silence

    def enrich(self, alert: Alert, heartbeat: Heartbeat) -> Enriched:
        """Gather everything about one alert. `heartbeat` is called between the steps."""
        policies, problems = self._policies(alert)
        classified = alert_classification.classify(alert, policies)
        if problems:  # a rule that cannot be read might forbid a repair
            classified = _notify_only(classified)
        heartbeat()
        target, missing = self._targets.resolve(classified)
        doubt = find_doubt(self._collector, alert, target) if alert.of_telemetry else ""
        if doubt:
            classified = _notify_only(classified)
        notes = [*problems, *classified.notes, *filter(None, (missing, doubt))]
        facts = [EvidenceNote(source="Note", message=note) for note in notes]
        if target is not None:
            facts += self._facts(target, heartbeat)
        facts.append(EvidenceNote(source="Rule", message=", ".join(classified.decided_by)))
        return Enriched(
            classified=self._qualify_secrets(classified),
            target=target,
            facts=tuple(fact.model_copy(update={"message": redact(fact.message)[:_MAX_FACT]}) for fact in facts),
            runbook=link(alert.annotations.get("runbook_url") or alert.annotations.get("runbook") or ""),
            source=link(alert.generator_url),
            can_silence=self._can_silence and classified.silence and alert.whole and not alert.of_telemetry,
        )

    def _policies(self, alert: Alert) -> tuple[tuple[NamedPolicy, ...], list[str]]:
        """Read the policies of this alert's namespace, in order, and the problems of those that cannot be read."""
        try:
            raw = sorted(self._kube.list(paths.policies()), key=lambda policy: str(policy["metadata"]["name"]))
        except (Forbidden, NotFound) as error:
            return (), [f"the policies cannot be read: {error}"]
        found, problems = [], []
        for policy in raw:
            name, selector = policy["metadata"]["name"], (policy.get("spec") or {}).get("namespaceSelector")
            try:
                spec = ClusterHealingPolicySpec.model_validate(policy.get("spec") or {})
            except ValidationError as error:
                field = field_of(error.errors()[0])
                if self._selects(selector, AlertPolicy(), alert):
                    problems.append(f"policy {name} cannot be read (spec.{field}), so this alert starts no repair")
            else:
                if self._selects(selector, spec.alerts, alert):
                    found.append(NamedPolicy(name, spec.alerts, spec.telemetry))
        return tuple(found), problems

    def _selects(self, selector: Object | None, rules: AlertPolicy, alert: Alert) -> bool:
        """Check whether a policy selects the namespace that the alert names by the policy's own rules."""
        if selector is None:
            return True
        namespace = alert_classification.alert_namespace(alert, rules)
        try:
            return bool(namespace) and matches(selector, self._collector.namespace_labels(namespace))
        except NotFound:
            return False

    def _qualify_secrets(self, classified: Classified) -> Classified:
        """Prefix the names of Secrets with Prunella's own namespace, as the notifiers expect."""
        here = self._kube.namespace
        channels = tuple(address(channel, here) for channel in classified.channels)
        ticket = address(classified.ticket, here) if classified.ticket else ""
        return classified.model_copy(update={"channels": channels, "ticket": ticket})

    def _facts(self, target: WorkloadRef, heartbeat: Heartbeat) -> list[EvidenceNote]:
        facts: list[EvidenceNote] = []
        for source, read in (("Owner", self._owner), ("Release", self._releases), ("Usage", self._usage)):
            heartbeat()
            facts += _read_facts(source, read, target)
        heartbeat()
        return facts + _read_facts("Incident", self._incidents, target)

    def _owner(self, target: WorkloadRef) -> Iterator[str]:
        meta = self._collector.raw_workload(target)["metadata"]
        values = {**(meta.get("annotations") or {}), **(meta.get("labels") or {})}
        yield from (f"{key}: {values[key]}" for key in _OWNERS if key in values)

    def _releases(self, target: WorkloadRef) -> Iterator[str]:
        """The newest releases: a fault that begins with a release is most often caused by it."""
        raw = self._collector.raw_workload(target)
        newest = sorted(self._collector.history(raw), key=revision_number, reverse=True)
        for revision in newest[:_MAX_LISTED]:
            images = ", ".join(view.image for view in container_views(template_of(revision)) if not view.init)
            created = revision["metadata"].get("creationTimestamp")
            yield f"revision {revision_number(revision)} ({images}), {_ago(parse_time(created))}"

    def _usage(self, target: WorkloadRef) -> Iterator[str]:
        _, _, pods = self._collector.view(target)
        found = self._collector.usage(target, pods)
        if isinstance(found, NoData):
            yield str(found)
            return
        for container in found.containers[:_MAX_LISTED]:
            cpu = "?" if container.cpu_cores is None else f"{container.cpu_cores:.2f} cores"
            memory = "?" if container.memory_bytes is None else f"{container.memory_bytes / _MIB:.0f} MiB"
            yield f"pod {container.pod}, container {container.container}: {cpu}, {memory}"

    def _incidents(self, target: WorkloadRef) -> Iterator[str]:
        """The newest incidents of this workload, open ones first, and their outcomes."""
        path = paths.incidents(target.namespace)
        by_sources, by_people = (
            map(IncidentView.from_object, self._kube.list(path, labelSelector=selector))
            for selector in deduplication.earlier_selectors(target)
        )
        found = deduplication.merge(target, by_sources, by_people)
        newest = sorted(found, key=lambda incident: incident.metadata.creation_timestamp, reverse=True)
        yield from map(_summary, sorted(newest, key=lambda incident: incident.closed)[:_MAX_LISTED])


def link(text: str) -> str:
    """Return the text if it is a web address that may be put into a message, else ""."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    valid = parts.scheme in ("http", "https") and parts.hostname and len(text) <= _MAX_URL
    return text if valid and text.isprintable() and not set(text) & set(" \"'<>`\\") else ""


def _read_facts(source: str, read: Callable[[WorkloadRef], Iterator[str]], target: WorkloadRef) -> list[EvidenceNote]:
    """Read the facts of one source; an error becomes a fact too."""
    try:
        return [EvidenceNote(source=source, message=text) for text in read(target)]
    except PrunellaError as error:
        return [EvidenceNote(source=source, message=f"(cannot be read: {error})")]


def _notify_only(classified: Classified) -> Classified:
    heals = classified.handling is AlertHandlingMode.HEAL
    return classified.model_copy(update={"handling": AlertHandlingMode.NOTIFY}) if heals else classified


def _summary(incident: IncidentView) -> str:
    meta, status = incident.metadata, incident.status
    cause = f", {status.root_cause}" if status.root_cause else ""
    action = f", by {status.action}" if status.action else ""
    return f"{meta.name}: {status.phase}{cause}{action}, opened {_ago(meta.creation_timestamp)}"


def _ago(moment: datetime | None) -> str:
    return f"{format_duration((clock.now() - moment).total_seconds())} ago" if moment else "some time ago"
