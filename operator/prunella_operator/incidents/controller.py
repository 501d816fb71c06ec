"""The kopf handlers of the Incident: parse, call one function, translate errors. No API call of their own.

kopf cancels every task of its event loop at exit, so it runs in a thread and loop of its own; handlers hand over to
the operator's loop. Its pods-size costs are known: it watches our own few objects only.
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
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import Object
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Permanent, Retryable

_log = structlog.get_logger("prunella.controller")

_AGAIN = 5.0
_RELOGIN = timedelta(minutes=5)
# Our own keys, which are no wish of a person.
_NO_WISHES = [
    ("metadata", "labels", labels.REPAIR_SLOT),
    ("metadata", "annotations", labels.REPAIR_SLOTS),
]  # our own marks
_INCIDENTS = (labels.GROUP, labels.VERSION, "incidents")
_PAGE = 250  # incidents; kopf would read all at once, and hours of them are kept
_HOLD = 1.0  # seconds for which kopf holds an incident, which takes it 35 KiB, after it has dealt with it


class Controller:
    """Runs kopf beside the operator's event loop, and runs it again when an API server's error ended it."""

    def __init__(self, access: Access, starter: WorkflowStarter, namespaces: tuple[str, ...]) -> None:
        self._access = access
        self._starter = starter
        self._namespaces = namespaces
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._end: Callable[[], object] = bool  # ends the kopf that runs now
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended already
            self._end()
        await asyncio.to_thread(self._thread.join, 10.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._operate())
            except Exception:  # noqa: BLE001 - kopf ends on many errors of an API server; it must come back
                _log.exception("the controller of incidents stopped; starting it again")
            self._stop.wait(_AGAIN)

    async def _operate(self) -> None:
        """Run kopf once. Its stop flag belongs to its loop: a thread that waits for one would outlive a kopf that gave
        up, and the closing of the loop would wait for that thread for ever.
        """
        stop = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set)
        if self._stop.is_set():
            return
        await kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=stop,
        )

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        def login(**_: Any) -> kopf.ConnectionInfo:
            return _connection(self._access)

        @kopf.on.resume(*_INCIDENTS, registry=registry)
        @kopf.on.create(*_INCIDENTS, registry=registry)
        async def start(body: kopf.Body, **_: Any) -> None:
            await self._do(self._starter.start(_plain(body)))

        @kopf.on.update(*_INCIDENTS, registry=registry)
        async def changed(body: kopf.Body, **_: Any) -> None:
            await self._do(self._starter.changed(_plain(body)))

        # Not on.delete: that would need a finalizer, and an incident must be removable while we are away.
        @kopf.on.event(*_INCIDENTS, registry=registry)
        async def seen(type: str | None, uid: str, **_: Any) -> None:  # noqa: A002 - kopf's name
            if type == "DELETED":
                await self._do(self._starter.deleted(uid))

        return registry

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it in the operator's loop; our errors become kopf's."""
        try:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        except Retryable as error:
            raise kopf.TemporaryError(str(error), delay=_AGAIN) from error
        except Permanent as error:
            raise kopf.PermanentError(str(error)) from error


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # Events are ours, in the new API and once each
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = 240
    settings.watching.chunk_size = _PAGE
    settings.queueing.idle_timeout = _HOLD
    settings.networking.request_timeout = 15
    settings.networking.error_backoffs = [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5]
    settings.persistence.finalizer = labels.FINALIZER
    # A prefix of its own: kopf sees no change in annotations under the prefix of its bookkeeping.
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=labels.KOPF_PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=labels.KOPF_PREFIX, ignored_fields=_NO_WISHES
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
        expiration=clock.now() + _RELOGIN if token else None,
    )


def _plain(body: kopf.Body) -> Object:
    with contextlib.suppress(KeyError):
        return {key: body[key] for key in body}
    return dict(body)
