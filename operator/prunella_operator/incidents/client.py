"""The full reader of Incidents, and people's actions on them. An action patches the spec, never the status."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field, ValidationError

from prunella_operator.incidents.summary import Described, IncidentSummary
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Api, Object, list_items
from prunella_workflows.model import labels
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import InvalidIncident, NotFound, Permanent
from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.incident_status import IncidentStatus, Phase
from prunella_workflows.model.validation import first_error

_MAX_GROUPS = 100  # of an approval
_NO_KIND = "this cluster has no Incident kind yet: prunella crds | kubectl apply --server-side -f -"


class AlreadyClosed(Permanent):
    """The incident is closed, so an action would change nothing."""


class Metadata(Value):
    """Identity, labels and annotations."""

    name: str
    namespace: str
    uid: str = ""
    creation_timestamp: datetime
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict, exclude=True)  # long: kopf keeps the spec in one
    resource_version: str = Field(default="", exclude=True)


class Incident(Described, Value):
    """An Incident object."""

    metadata: Metadata
    spec: IncidentSpec
    status: IncidentStatus = IncidentStatus()


Listed = Incident | IncidentSummary
"""An Incident as lists, tables and statistics read it."""


class IncidentReader(Protocol):
    """Reads incidents and writes people's actions."""

    @property
    def namespace(self) -> str:
        """The namespace of a command that names none."""

    def find(self, namespace: str | None, selector: str = "") -> Sequence[Incident]:
        """The incidents of a namespace, or of all (None), oldest first."""

    def check_list(self, namespace: str | None) -> None:
        """Raise Forbidden if this user may not list the incidents of a namespace, or of all (None)."""

    def get(self, namespace: str, name: str) -> Incident:
        """One incident."""

    def patch(self, incident: Incident, body: dict[str, Any]) -> None:
        """Patch it, if it is still the object that was read."""

    def whoami(self) -> str:
        """The user name that the API server authenticates us as."""

    def groups(self) -> tuple[str, ...]:
        """The groups that the API server authenticates us in."""


class KubeIncidents:
    """Incidents on an API server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return self._api.namespace

    def find(self, namespace: str | None, selector: str = "") -> Sequence[Incident]:
        """The incidents of a namespace, or of all (None), oldest first."""
        items = self._items(namespace, labelSelector=selector)
        return sorted(map(parse, items), key=lambda item: (item.metadata.creation_timestamp, item.namespace, item.name))

    def check_list(self, namespace: str | None) -> None:
        """Raise Forbidden if this user may not list the incidents of a namespace, or of all (None)."""
        next(self._items(namespace, limit="1"), None)

    def _items(self, namespace: str | None, **query: str) -> Iterator[Object]:
        try:
            yield from list_items(self._api, paths.incidents(namespace or ""), **query)
        except NotFound as error:
            raise NotFound(_NO_KIND) from error

    def get(self, namespace: str, name: str) -> Incident:
        """One incident."""
        try:
            return parse(self._api.call("GET", f"{paths.API}/namespaces/{namespace}/incidents/{name}"))
        except NotFound as error:
            help_text = "`prunella incidents list -A` shows all"
            raise NotFound(f"there is no incident {name} in namespace {namespace}; {help_text}") from error

    def patch(self, incident: Incident, body: dict[str, Any]) -> None:
        """Merge-patch it. The uid protects a later object of the same name from the patch."""
        path = f"{paths.API}/namespaces/{incident.namespace}/incidents/{incident.name}"
        metadata = {**body.get("metadata", {}), "uid": incident.metadata.uid}
        self._api.call("PATCH", path, {**body, "metadata": metadata}, MERGE_PATCH, fieldManager="prunella-cli")

    def whoami(self) -> str:
        """The user name that the API server authenticates us as."""
        return str(self._user()["username"])

    def groups(self) -> tuple[str, ...]:
        """The groups that the API server authenticates us in."""
        return tuple(self._user().get("groups") or ())

    def _user(self) -> dict[str, Any]:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        response = self._api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        user: dict[str, Any] = response["status"]["userInfo"]
        return user


def parse(raw: dict[str, Any]) -> Incident:
    """Read an object. Raises InvalidIncident if another version wrote it, or someone past the CRD's validation."""
    try:
        return Incident.model_validate(raw)
    except ValidationError as error:
        raise InvalidIncident(f"an incident cannot be read: {first_error(error)}") from error


def decide(reader: IncidentReader, namespace: str, name: str, decision: str, reason: str) -> Incident:
    """Approve or reject a repair, in the caller's name. Raises AlreadyClosed."""
    incident = _refuse_closed(reader.get(namespace, name))
    decide_on(reader, incident, decision, reason)
    return incident


def decide_on(
    reader: IncidentReader, incident: Incident, decision: str, reason: str, *, unchanged: bool = False
) -> None:
    """The same for an incident that was read. With `unchanged`, raise Conflict if it was written to since."""
    groups = [group for group in reader.groups() if not group.startswith("system:")][:_MAX_GROUPS]
    approval = {"decision": decision, "by": reader.whoami(), "groups": groups or None, "reason": reason}
    version = {"metadata": {"resourceVersion": incident.metadata.resource_version}} if unchanged else {}
    reader.patch(incident, {"spec": {"approval": approval}, **version})


def suspend(reader: IncidentReader, namespace: str, name: str, wanted: bool) -> Incident:
    """Suspend it before the next step, or resume it. Raises AlreadyClosed."""
    incident = _refuse_closed(reader.get(namespace, name))
    reader.patch(incident, {"spec": {"suspend": wanted}})
    return incident


def cancel(reader: IncidentReader, namespace: str, name: str) -> Incident:
    """Request the cancellation of an incident, or of its escalation. Raises AlreadyClosed when nothing is left."""
    incident = _get_open_or_escalating(reader, namespace, name)
    reader.patch(incident, {"metadata": {"annotations": {labels.CANCEL: "true"}}})
    return incident


def acknowledge(reader: IncidentReader, namespace: str, name: str) -> Incident:
    """Acknowledge an incident, in the caller's name: no further escalation. Raises AlreadyClosed if none can follow."""
    incident = _get_open_or_escalating(reader, namespace, name)
    reader.patch(incident, {"spec": {"acknowledged": {"by": reader.whoami()}}})
    return incident


def _get_open_or_escalating(reader: IncidentReader, namespace: str, name: str) -> Incident:
    incident = reader.get(namespace, name)
    note = incident.status.escalation
    escalating = incident.phase is Phase.ESCALATED and note is not None and not note.ended
    return incident if escalating else _refuse_closed(incident)


def _refuse_closed(incident: Incident) -> Incident:
    if incident.phase.closed:
        reason = f" ({incident.status.message})" if incident.status.message else ""
        name = f"{incident.namespace}/{incident.name}"
        raise AlreadyClosed(f"incident {name} is closed already: {incident.phase}{reason}")
    return incident
