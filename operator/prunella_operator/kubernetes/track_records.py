"""Track records: a ConfigMap for each workload, in a namespace of their own, where who changes workloads cannot write.

The worker adds what repairs proved, the operator what observed plans proved, each before it writes that to the
Incident: so no trial is lost when Incidents are deleted.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_workflows.decisions.autonomy.track_record import add_trials, of_workload
from prunella_workflows.model.autonomy import TrackRecord, Trial
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, Permanent
from prunella_workflows.model.labels import TRACK_RECORD
from prunella_workflows.model.workload import WorkloadRef

if TYPE_CHECKING:
    from prunella_operator.kubernetes.sync_client import SyncClient

_log = structlog.get_logger("prunella.autonomy")

NAMESPACE = "prunella-records"
"""The namespace of the records, which holds nothing else."""
_KEY = "record"
_MAX_ATTEMPTS = 5
_BUSY = "a track record changes faster than it can be written"


@dataclass(frozen=True)
class TrackRecords:
    """The records as activities read and write them."""

    kube: "SyncClient"

    def read(self, ref: WorkloadRef) -> TrackRecord:
        """The record of a workload. One that cannot be read is empty, and says why: nothing is earned by it."""
        try:
            return _parse(self.kube.get(paths.track_records(NAMESPACE, name_of(ref))))
        except NotFound:
            return TrackRecord()
        except Forbidden as error:
            return TrackRecord(problem=f"The track record cannot be read: {error}.")

    def add(self, ref: WorkloadRef, trials: Iterable[Trial]) -> None:
        """Count trials, each once. Without the permission it is logged: the diagnoses find failures in the Incidents.

        Raises Conflict when others keep writing.
        """
        new = tuple(trials)
        for _ in range(_MAX_ATTEMPTS if new else 0):
            try:
                self._add(ref, new)
            except (Conflict, AlreadyExists):
                continue
            except Permanent as error:
                _log.error("cannot write a track record", workload=str(ref), error=str(error))
            return
        if new:
            raise Conflict(_BUSY)

    def _add(self, ref: WorkloadRef, trials: tuple[Trial, ...]) -> None:
        name = name_of(ref)
        try:
            live = self.kube.get(paths.track_records(NAMESPACE, name))
        except NotFound:
            self.kube.create(paths.track_records(NAMESPACE), _body(name, _added(TrackRecord(), ref, trials)))
            return
        before = _parse(live)
        if before.actions and before.uid != ref.uid and not self._lives(ref):
            return
        if (after := _added(before, ref, trials)) != before:
            self.kube.merge_patch(paths.track_records(NAMESPACE, name), _patch(live, after))

    def _lives(self, ref: WorkloadRef) -> bool:
        """Report whether the workload exists: trials of a deleted one must not replace the record of its successor."""
        try:
            return bool(self.kube.get(paths.workload(ref))["metadata"]["uid"] == ref.uid)
        except NotFound:
            return False


@dataclass(frozen=True)
class WatchedTrackRecords:
    """The records as the operator reads and writes them."""

    rest: AsyncClient

    async def all(self) -> tuple[TrackRecord, ...]:
        """All records."""
        found = await self.rest.list(
            paths.track_records(NAMESPACE), {"labelSelector": f"{TRACK_RECORD}=true"}, into=Object
        )
        return tuple(map(_parse, found))

    async def add(self, ref: WorkloadRef, trial: Trial) -> None:
        """Count a trial of a workload that was just read, once.

        Raises Conflict if someone else wrote meanwhile, and Forbidden.
        """
        name = name_of(ref)
        try:
            live = await self.rest.get(paths.track_records(NAMESPACE, name))
        except NotFound:
            body = _body(name, _added(TrackRecord(), ref, (trial,)))
            await self.rest.create(paths.track_records(NAMESPACE), body)
            return
        before = _parse(live)
        if (after := _added(before, ref, (trial,))) != before:
            await self.rest.patch(paths.track_records(NAMESPACE, name), _patch(live, after), MERGE_PATCH)


def name_of(ref: WorkloadRef) -> str:
    """The name of the ConfigMap of a workload."""
    return f"prunella-record-{hashlib.sha256(f'{ref.namespace}/{ref}'.encode()).hexdigest()[:20]}"


def _added(record: TrackRecord, ref: WorkloadRef, trials: tuple[Trial, ...]) -> TrackRecord:
    return add_trials(of_workload(record, ref), trials).model_copy(update={"problem": ""})


def _parse(raw: Object) -> TrackRecord:
    """The record of a ConfigMap; an empty one that says so if someone has edited it so that it does not parse."""
    try:
        return TrackRecord.model_validate_json((raw.get("data") or {}).get(_KEY, ""))
    except ValidationError:
        return TrackRecord(problem=f"ConfigMap {raw['metadata']['name']} holds no track record.")


def _body(name: str, record: TrackRecord) -> Object:
    labels = {TRACK_RECORD: "true", "app.kubernetes.io/managed-by": "prunella"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels},
        "data": _data(record),
    }


def _patch(live: Object, record: TrackRecord) -> Object:
    meta = live["metadata"]
    return {"metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}, "data": _data(record)}


def _data(record: TrackRecord) -> dict[str, str]:
    return {_KEY: record.model_dump_json(by_alias=True, exclude_defaults=True)}
