"""The Prometheus of `aiops.py`: fake pods use nothing, so it answers with the load that a saturated service would have.

All ready pods of a service share its load. Questions about other services have no answer, as without measurements.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from aiops_faults import SeenPod
from aiops_kubelets import Kubelets
from fakes.httpd import Answer, Asked, Httpd

from prunella_operator import clock

_CPU, _MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
_PODS = re.compile(r'pod=~"\(\?:([^"]*)\)"')
_EVERY_SECONDS, _READINGS = 15, 5
_USED_MEMORY = 32 << 20


def prometheus(kubelets: Kubelets) -> Httpd:
    """The server; use it as a context manager."""
    return Httpd(lambda asked: _answer(asked, kubelets))


def _answer(asked: Asked, kubelets: Kubelets) -> Answer:
    form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
    query = {**asked.query, **form}.get("query", "")
    readings = asked.path.endswith("/query") and query.endswith("]")
    result = list(_usage(query, kubelets)) if readings else []
    kind = "matrix" if readings or asked.path.endswith("/query_range") else "vector"
    return Answer(body={"status": "success", "data": {"resultType": kind, "result": result}})


def _usage(query: str, kubelets: Kubelets) -> Iterator[dict[str, Any]]:
    """CPU and memory of the pods that a query names, if their service is saturated."""
    names = frozenset(name for found in _PODS.findall(query) for name in found.split("|"))
    for app, active in list(kubelets.active.items()):
        ready = kubelets.ready_pods(app)
        for pod in ready:
            if active.fault.cores and pod.name in names:
                yield from _series(pod, active.fault.cores / len(ready))


def _series(pod: SeenPod, cores: float) -> Iterator[dict[str, Any]]:
    now = clock.now().timestamp()
    times = [now - _EVERY_SECONDS * number for number in reversed(range(_READINGS))]
    labels = {"namespace": pod.namespace, "pod": pod.name, "container": "app"}
    values = {_CPU: lambda at: cores * at, _MEMORY: lambda _: _USED_MEMORY}
    for name, value in values.items():
        yield {"metric": {"__name__": name, **labels}, "values": [[at, str(value(at))] for at in times]}
