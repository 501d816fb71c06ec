"""Shared by the simple healers: the workloads of the selected namespaces, and those that are broken for too long."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from benchmark.healer import READY, SELECTOR
from benchmark.serving import served
from kubernetes.client import CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import load_kube_config
from support.api import Object
from urllib3.exceptions import HTTPError

AFTER = 60.0
"""Seconds for which a workload must not be served before a healer acts."""
_EVERY = 5.0
_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


class Overdue:
    """Finds workloads that have not been served for `AFTER` seconds. After an action the time begins again."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def among(self, workloads: Iterable[Object], now: float) -> list[Object]:
        """The workloads to act on now. `now` is in seconds of any clock."""
        broken = {workload["metadata"]["uid"]: workload for workload in workloads if not served(workload)}
        since = {uid: self._since.get(uid, now) for uid in broken}
        due = [uid for uid in broken if now - since[uid] >= AFTER]
        self._since = since | dict.fromkeys(due, now)
        return [broken[uid] for uid in due]


class Workloads:
    """The Deployments, StatefulSets and DaemonSets that a healer is responsible for."""

    def __init__(self) -> None:
        load_kube_config()
        self._namespaces, self._api = CoreV1Api(), CustomObjectsApi()

    def all(self) -> Iterator[Object]:
        """All workloads, with their kinds."""
        for namespace in self._namespaces.list_namespace(label_selector=os.environ[SELECTOR]).items:
            for kind, plural in _KINDS.items():
                for item in self.list(namespace.metadata.name, plural):
                    yield {**item, "kind": kind}

    def list(self, namespace: str, plural: str) -> list[Object]:
        """The objects of one resource of the group `apps`."""
        return self._api.list_namespaced_custom_object("apps", "v1", namespace, plural)["items"]

    def patch(self, workload: Object, body: object, content_type: str) -> None:
        """Patch a workload."""
        meta, plural = workload["metadata"], _KINDS[workload["kind"]]
        place = ("apps", "v1", meta["namespace"], plural, meta["name"])
        self._api.patch_namespaced_custom_object(*place, body, _content_type=content_type)

    def create(self, body: Object, group: str, plural: str) -> None:
        """Create an object of another group, in version v1."""
        self._api.create_namespaced_custom_object(group, "v1", body["metadata"]["namespace"], plural, body)


def until_stopped(step: Callable[[], None] = lambda: None) -> None:
    """Say that the healer is ready, then do a step again and again until SIGTERM. The API server may refuse it."""
    with suppress(KeyboardInterrupt):
        print(READY, flush=True)
        while True:
            try:
                step()
            except (ApiException, HTTPError) as error:
                print(f"not done: {error}", flush=True)
            time.sleep(_EVERY)


def end_at_sigterm() -> None:
    """Let SIGTERM interrupt the program, so that what it started is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def heal(act: Callable[[Workloads, Object], None]) -> None:
    """Act on every workload that is not served for too long, until SIGTERM."""
    end_at_sigterm()
    workloads, overdue = Workloads(), Overdue()

    def step() -> None:
        for workload in overdue.among(workloads.all(), time.monotonic()):
            act(workloads, workload)

    until_stopped(step)
