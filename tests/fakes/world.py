"""A cluster with one Deployment and all that may happen to it, for tests that choose the events and their order."""

from datetime import UTC, datetime, timedelta

from fakes.controllers import MI, PATH, Web
from fakes.kube import FakeKube
from fakes.objects import NAMESPACE

from prunella_operator.kubernetes import paths
from prunella_workflows.model.labels import REPAIR_SLOT

PLACE = f"/api/v1/namespaces/{NAMESPACE}"
POLICY = f"{paths.policies(NAMESPACE)}/web"
INCIDENTS = paths.incidents(NAMESPACE)
HEAL, IGNORE = {"prunella.dev/heal": "enabled"}, {"prunella.dev/ignore": "true"}
POLICIES = [
    {},
    {"rollback": "Freeze"},
    {"mode": "Observe"},
    {"actions": ["SetMemory"]},
    {"approval": {"when": "Always", "approvers": ["alice"]}},
    {"approval": {"when": "Always", "approvers": ["bob", "group:sre"]}},
    {"budgets": {"concurrentPerNamespace": 1}},
    {"budgets": {"perHourPerWorkload": 2}},
]

VALUES = len(POLICIES)


class Cluster(FakeKube):
    """Call `on_write` for each of Prunella's writes to the Deployment, and let events happen before a request."""

    on_write = None
    _left = None
    _then = None

    def plan(self, requests, then):
        """Plan an action, once, before that many more requests."""
        self._left, self._then = requests, then

    def forget(self):
        self._left = None

    def _record(self, method, path):
        super()._record(method, path)
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._left = None
                self._then()

    def json_patch(self, path, operations):
        before = self.objects.get(path)
        written = super().json_patch(path, operations)
        if path == PATH:
            self.on_write(operations, before, written)
        return written


class World:
    """Time, the Deployment, its namespace and its policy. `happen` does one of EVENTS; `value` < VALUES varies it."""

    def __init__(self):
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
        self.kube = Cluster()
        self.labels, self.policy = dict(HEAL), {}
        self.kube.put(PLACE, {"metadata": {"labels": self.labels}})
        self.kube.put("/api/v1", {"resources": []})
        self.kube.put(f"{paths.policies()}/quick", {"spec": {"verification": {"window": "15s", "timeout": "60s"}}})
        self.web = Web(self.kube, self.time)

    def time(self):
        return self.now

    def seconds(self):
        return self.now.timestamp()

    def move(self, seconds):
        """Let time pass, in steps small enough for the controllers."""
        step = max(1.0, seconds / 12)
        while seconds > 0:
            self.now += timedelta(seconds=min(step, seconds))
            seconds -= step
            self.web.tick()

    def happen(self, what, value):
        EVENTS[what](self, value)

    def _release(self, value):
        self.web.release([*["good"] * 4, "crash", "image", "hang", "good"][value], 1000 if value == VALUES - 1 else 32)

    def _fate(self, value):
        """Take away what the pods need, or restore it."""
        self.web.current().kind = ["good", "crash", "hang"][value % 3]

    def _memory(self, value):
        self.web.current().needs += [16, 64, 256][value % 3] * MI

    def _passes(self, value):
        self.move([1, 10, 10, 60, 60, 60, 120, 700][value])

    def _scale(self, value):
        self.web.edit(lambda raw: raw["spec"].update(replicas=value % 4))

    def _annotate(self, value):
        self.web.edit(lambda raw: raw["metadata"].setdefault("annotations", {}).update(owner=str(value)))

    def _recreate(self, _value):
        self.web.delete()
        self.web.apply(self.web.wanted)

    def _pause(self, value):
        self.web.edit(lambda raw: raw["spec"].update(paused=value % 2 == 0))

    def _helm(self, value):
        labels = {} if value % 2 else {"app.kubernetes.io/managed-by": "Helm"}
        self.web.edit(lambda raw: raw["metadata"].update(labels=labels))

    def _permit(self, value):
        self.labels = [{}, HEAL, HEAL | IGNORE][value % 3]
        self.kube.put(PLACE, {"metadata": {"labels": self.labels}})

    def _busy(self, value):
        """Begin or end another repair."""
        labels = {} if value % 2 else {REPAIR_SLOT: self.now.strftime("%Y-%m-%dT%H")}
        meta = {"namespace": NAMESPACE, "labels": labels, "creationTimestamp": self.now.isoformat()}
        self.kube.put(f"{INCIDENTS}/api-1", {"metadata": meta}, phase="Verifying", target="Deployment/api")

    def _rule(self, value):
        self.policy = POLICIES[value]
        self.kube.put(POLICY, {"spec": self.policy})


EVENTS = {
    "release": World._release,
    "fate": World._fate,
    "memory": World._memory,
    "time": World._passes,
    "scale": World._scale,
    "annotate": World._annotate,
    "recreate": World._recreate,
    "pause": World._pause,
    "helm": World._helm,
    "permit": World._permit,
    "busy": World._busy,
    "rule": World._rule,
}
