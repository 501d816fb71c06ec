"""Reports anomalies: those that are new, have changed, or are over."""

from typing import Any

from prunella_workflows.decisions.telemetry import anomalies
from prunella_workflows.decisions.telemetry.causes import Causes
from prunella_workflows.decisions.telemetry.memory import Memory
from prunella_workflows.decisions.telemetry.rules import Parameters
from prunella_workflows.decisions.telemetry.services import ServiceMemory
from prunella_workflows.model.telemetry import (
    Anomaly,
    AnomalyKind,
    ServiceRef,
    Split,
    SplitKind,
)

_SETTLED = 600  # seconds after the onset, from which another origin or split is not reported

_OWN = frozenset({SplitKind.NEW_PODS, SplitKind.ONE_POD})
"""A dependency is behind all pods of a service: one that is bad in some pods only is the origin itself."""


class Reporter:
    """Collects the anomalies of a judgement. What is known of one is kept when later windows leave it open."""

    def __init__(self, memory: Memory, rules: Parameters) -> None:
        self._memory = memory
        self._rules = rules
        self.opened: dict[str, Anomaly] = {}
        self.changed: dict[str, Anomaly] = {}
        self.ended: list[Anomaly] = []

    def report(self, time: int) -> None:
        """Look at all open anomalies after a window."""
        causes = Causes(self._memory)
        for name, memory in self._memory.services.items():
            for kind in [AnomalyKind(each) for each in memory.reported]:
                anomaly = self._describe(name, memory, kind, causes)
                end = anomalies.end_of(memory, kind, time, self._rules)
                if end is None:
                    self._note(memory, anomaly)
                else:
                    self._end(memory, anomaly, end)

    def ongoing(self) -> tuple[Anomaly, ...]:
        """All open anomalies, each origin with its dependants."""
        causes = Causes(self._memory)
        found = [
            self._describe(name, memory, AnomalyKind(kind), causes)
            for name, memory in self._memory.services.items()
            for kind in memory.reported
        ]
        named = {each.fingerprint: _with_dependants(each, found) for each in found}
        for reported in (self.opened, self.changed):
            reported.update({key: named[key] for key in reported})
        return tuple(named.values())

    def _describe(self, name: str, memory: ServiceMemory, kind: AnomalyKind, causes: Causes) -> Anomaly:
        origin = causes.find(name, kind)
        cause = self._memory.services.get(origin.service) if origin.service else None
        anomaly = anomalies.describe(memory, kind, origin, cause.ref if cause else None)
        if anomaly.split.kind in _OWN:
            anomaly = anomaly.model_copy(update={"origin": memory.ref})
        return anomalies.with_severity(_keep(anomaly, memory.reported[kind], self._memory.read_to), self._rules)

    def _note(self, memory: ServiceMemory, anomaly: Anomaly) -> None:
        facts, reported = _facts(anomaly), memory.reported[anomaly.kind]
        memory.reported[anomaly.kind] = facts
        if not reported or anomaly.fingerprint in self.opened:
            self.opened[anomaly.fingerprint] = anomaly
        elif facts != reported:
            self.changed[anomaly.fingerprint] = anomaly

    def _end(self, memory: ServiceMemory, anomaly: Anomaly, end: int) -> None:
        anomalies.close(memory, anomaly.kind, end)
        self.opened.pop(anomaly.fingerprint, None)
        self.changed.pop(anomaly.fingerprint, None)
        self.ended.append(anomaly.model_copy(update={"until": anomalies.at(end)}))


def _facts(anomaly: Anomaly) -> list[object]:
    """The facts of which a change is reported, as JSON."""
    origin = anomaly.origin
    whole = [origin.service, origin.namespace, origin.kind, origin.workload] if origin else None
    return [anomaly.critical, whole, anomaly.split.kind.value, anomaly.split.name]


def _keep(anomaly: Anomaly, reported: list[Any], time: int) -> Anomaly:
    """Keep what was reported where this window does not know better, and all of it once the anomaly is old."""
    if not reported:
        return anomaly
    critical, origin, kind, name = reported[:4]
    settled = time - anomaly.since.timestamp() > _SETTLED
    kept: dict[str, object] = {"critical": critical}
    if origin and (settled or anomaly.origin is None):
        names = zip(("service", "namespace", "kind", "workload"), origin, strict=True)
        kept["origin"] = ServiceRef.model_validate(dict(names))
    if SplitKind(kind) is not SplitKind.UNKNOWN and (settled or anomaly.split.kind is SplitKind.UNKNOWN):
        kept["split"] = Split(kind=SplitKind(kind), name=name)
    return anomaly.model_copy(update=kept)


def _with_dependants(anomaly: Anomaly, found: list[Anomaly]) -> Anomaly:
    """Name the others whose anomalies come from this one's subject."""
    subject = str(anomaly.subject)
    if anomaly.origin is None or str(anomaly.origin) != subject:
        return anomaly
    others = {str(each.subject) for each in found if each.origin and str(each.origin) == subject} - {subject}
    return anomaly.model_copy(update={"dependants": tuple(sorted(others))})
