"""The kopf handlers of the Incident: parse, call one function, translate errors. They make no API calls.

kopf cancels every task of its event loop at exit, so it runs in a thread and a loop of its own; handlers schedule their
work on the operator's loop. kopf holds what it watches, so it watches our own few objects only.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Self

import structlog

from prunella_operator import clock
from prunella_operator.compat.kopf import kopf
from prunella_operator.incidents.alert_signals import AlertSignals
from prunella_operator.incidents.view import IncidentView
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model import labels
from prunella_workflows.model.errors import InvalidIncident, Permanent, Retryable, Unavailable
from prunella_workflows.model.incident_status import Phase

_log = structlog.get_logger("prunella.controller")

_RETRY_INTERVAL_SECONDS = 5.0
_STOP_TIMEOUT_SECONDS = 10.0
_CREDENTIALS_INTERVAL = timedelta(minutes=5)
_IGNORED_FIELDS = [("metadata", "labels", labels.REPAIR_SLOT), ("metadata", "annotations", labels.REPAIR_SLOTS)]
"""Set by our own repairs, not by people."""
_INCIDENTS = (labels.GROUP, labels.VERSION, "incidents")
_CLOSED = frozenset(phase.value for phase in Phase if phase.closed)
_PAGE_LIMIT = 250  # incidents; kopf would read all at once, and hours of them are kept
_IDLE_TIMEOUT_SECONDS = 1.0  # kopf holds an incident, at 35 KiB each, for so long after it has handled it

Work = Coroutine[Any, Any, None]


class Controller:
    """Runs kopf beside the operator's event loop, and restarts it when an error of the API server ends it.

    `on_ended` is called in that loop with the namespace of each incident that is closed or deleted; repeatedly, too.
    """

    def __init__(
        self,
        access: Access,
        rest: AsyncClient,
        starter: WorkflowStarter,
        alerts: AlertSignals,
        namespaces: tuple[str, ...],
        *,
        on_ended: Callable[[str], None],
    ) -> None:
        self._access = access
        self._rest = rest
        self._starter = starter
        self._alerts = alerts
        self._namespaces = namespaces
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._end: Callable[[], object] = bool  # ends the current run of kopf
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._end()
        await asyncio.to_thread(self._thread.join, _STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._operate())
            except Retryable as error:
                _log.info("the incident controller waits for the API server", reason=str(error))
            except Exception:  # noqa: BLE001 - many errors of an API server end kopf; it must run again
                _log.exception("the incident controller stopped; restarting it")
            self._stop.wait(_RETRY_INTERVAL_SECONDS)

    async def _operate(self) -> None:
        """Run kopf once. Its stop flag is its loop's: a thread waiting for one would keep the loop from closing."""
        stop = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set)
        if self._stop.is_set():
            return
        await self._on_operator_loop(self._check_served())
        await kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=stop,
        )

    async def _check_served(self) -> None:
        """Raise Unavailable while the API server does not serve Incidents: kopf looks once, and would stay blind."""
        served = (await self._rest.get(paths.API)).get("resources", ())
        if not any(resource["name"] == "incidents" for resource in served):
            raise Unavailable("the API server does not serve Incidents yet")

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        def login(**_: Any) -> kopf.ConnectionInfo:
            return _connection(self._access)

        @kopf.on.resume(*_INCIDENTS, registry=registry)
        @kopf.on.create(*_INCIDENTS, registry=registry)
        async def start(body: kopf.Body, **_: Any) -> None:
            await self._handle(self._starter.start, body)

        @kopf.on.update(*_INCIDENTS, registry=registry)
        async def update(body: kopf.Body, old: Any, **_: Any) -> None:
            before = (old or {}).get("spec") or {}
            await self._handle(partial(self._starter.update, before=before), body)

        # Not on.delete: it needs a finalizer, and an incident must be removable while the operator is down.
        @kopf.on.event(*_INCIDENTS, registry=registry)
        async def observe(type: str | None, uid: str, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
            if type == "DELETED" or body.status.get("phase") in _CLOSED:
                self._loop.call_soon_threadsafe(self._on_ended, str(body.metadata.namespace))
            if type == "DELETED":
                self._alerts.forget(uid)
                await self._run_in_loop(self._starter.cancel(uid))
            else:
                phase = Phase(body.status.get("phase") or Phase.PENDING)
                await self._run_in_loop(self._alerts.incident_changed(uid, phase, body.metadata.annotations))

        return registry

    async def _handle(self, function: Callable[[IncidentView], Work], body: kopf.Body) -> None:
        try:
            incident = IncidentView.from_object(body)
        except InvalidIncident as error:
            raise kopf.PermanentError(str(error)) from error
        await self._run_in_loop(function(incident))

    async def _run_in_loop(self, work: Work) -> None:
        """Run it in the operator's loop, and translate our errors to kopf's."""
        try:
            await self._on_operator_loop(work)
        except Retryable as error:
            raise kopf.TemporaryError(str(error), delay=_RETRY_INTERVAL_SECONDS) from error
        except Permanent as error:
            raise kopf.PermanentError(str(error)) from error

    async def _on_operator_loop(self, work: Work) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we write Events ourselves, in the new API and once each
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = 240
    settings.watching.chunk_size = _PAGE_LIMIT
    settings.queueing.idle_timeout = _IDLE_TIMEOUT_SECONDS
    settings.networking.request_timeout = 15
    settings.networking.error_backoffs = [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5]
    settings.persistence.finalizer = labels.FINALIZER
    # A prefix of its own: kopf ignores changes of annotations under the prefix of its bookkeeping.
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=labels.KOPF_PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=labels.KOPF_PREFIX, ignored_fields=_IGNORED_FIELDS
    )
    return settings


def _connection(access: Access) -> kopf.ConnectionInfo:
    scheme, token = access.credentials() or (None, None)
    return kopf.ConnectionInfo(
        server=access.server,
        ca_path=access.ca_path,
        insecure=access.insecure,
        scheme=scheme,
        token=token,
        certificate_path=access.cert_path,
        private_key_path=access.key_path,
        default_namespace=access.namespace,
        proxy_url=access.proxy,
        expiration=clock.now() + _CREDENTIALS_INTERVAL if token else None,
    )
