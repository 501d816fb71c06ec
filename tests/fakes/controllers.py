"""Models of the Deployment controller, the kubelet and the Historian, over the API server in memory.

Deployment `web` in namespace `shop`. A release's image decides how its pods behave: `nature` has an entry for each.
`tick` simulates the time that has passed: pods come and go, crash and recover, and the Deployment's status follows.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fakes.objects import NAMESPACE, WEB, a_deployment, a_replica_set, a_template, owned_by

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.templates import POD_TEMPLATE_HASH, template_hash
from prunella_workflows.model.quantity import parse_bytes

MI = 1 << 20
REVISION = "deployment.kubernetes.io/revision"
SETS = paths.collection("ReplicaSet", NAMESPACE)
PODS = paths.core(NAMESPACE, "pods")
PATH = paths.workload(WEB)
SOAK = 30.0
BACKOFF = 10.0


@dataclass
class Nature:
    """The behaviour of a release's pods: good, crash, image, hang (never ready); and the memory they need (bytes)."""

    kind: str = "good"
    needs: int = 32 * MI


@dataclass
class Web:
    """The Deployment and all that lives on it. `clock()` returns the time."""

    kube: object
    clock: object
    natures: dict = field(default_factory=dict)
    good: set = field(default_factory=set)
    releases: int = 0
    names: int = 0
    changed_at: datetime | None = None
    template: str = ""

    def __post_init__(self):
        self.release("good")
        deployment = self.deployment
        deployment["status"] = {}
        for _ in range(60):
            self.tick()

    @property
    def deployment(self):
        return self.kube.objects.get(PATH)

    @property
    def pods(self):
        return [pod for key, pod in self.kube.objects.items() if key.startswith(f"{PODS}/")]

    def release(self, kind, needs=32):
        """Apply a template as a person: another image, with 64Mi as in its file."""
        self.releases += 1
        self.natures[self.releases] = Nature(kind, needs * MI)
        self.apply(a_template(self.releases))

    def apply(self, template):
        if self.deployment is None:
            body = a_deployment(template)
            body["metadata"] |= {"uid": f"uid-web-{self.names}" if self.names else WEB.uid}
            self.names += 1
            self.kube.put(PATH, body)
        else:
            self.edit(lambda raw: raw["spec"].update(template=template))
        self.wanted = template

    def edit(self, change):
        """Change the object as a person; the API server counts it."""
        raw = self.deployment
        if raw is not None:
            fresh = self.kube.get(PATH)
            change(fresh)
            self.kube._store(PATH, fresh)

    def delete(self):
        """Delete the object and the objects that it owns."""
        for key in [PATH, *(key for key in self.kube.objects if key.startswith((f"{SETS}/", f"{PODS}/")))]:
            self.kube.objects.pop(key, None)

    def nature(self, pod):
        return self.natures[int(pod["spec"]["containers"][0]["image"].rpartition(":")[2])]

    def current(self):
        return self.natures[int(self.wanted["spec"]["containers"][0]["image"].rpartition(":")[2])]

    def healthy_since(self):
        """The time since which all wanted pods have the live template and are ready; None when they are not."""
        raw = self.deployment
        now_set = self._set_of(raw["spec"]["template"])
        mine = [pod for pod in self.pods if now_set and _set_name(pod) == now_set["metadata"]["name"]]
        since = [_ready_since(pod) for pod in mine]
        if not mine or len(mine) < raw["spec"]["replicas"] or None in since:
            return None
        return max(since)

    def tick(self):
        """Simulate the time that has passed; the clock was moved already."""
        for pod in self.pods:
            self._live(pod)
        if self.deployment is not None:
            self._roll_out()
            self._tell()
            self._remember()

    def _live(self, pod):
        nature, status = self.nature(pod), pod["status"]["containerStatuses"][0]
        limit = parse_bytes(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])
        reason = "OOMKilled" if nature.needs > limit else "Error" if nature.kind == "crash" else ""
        if nature.kind == "image":
            status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
            self._ready(pod, ready=False)
        elif reason:
            self._crash(pod, status, reason)
        elif "running" not in status["state"]:
            status["state"] = {"running": {"startedAt": self._now()}}
        else:
            self._ready(pod, ready=nature.kind != "hang")

    def _crash(self, pod, status, reason):
        """Let it crash, and restart it when the back-off is over."""
        self._ready(pod, ready=False)
        last = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        pause = timedelta(seconds=min(300.0, BACKOFF * 2 ** min(5, status["restartCount"])))
        if last and self.clock() - datetime.fromisoformat(last) < pause and "waiting" in status["state"]:
            return
        end = {"reason": reason, "exitCode": 137 if reason == "OOMKilled" else 1, "finishedAt": self._now()}
        status["lastState"] = {"terminated": {**end, "startedAt": self._now()}}
        status["restartCount"] += 1
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}

    def _ready(self, pod, *, ready):
        condition, word = pod["status"]["conditions"][0], "True" if ready else "False"
        if condition["status"] != word:
            condition |= {"status": word, "lastTransitionTime": self._now()}
        pod["status"]["containerStatuses"][0]["ready"] = ready

    def _roll_out(self):
        """Roll out with at most one more pod than wanted, and no fewer that serve."""
        raw = self.deployment
        if raw["spec"].get("paused"):
            return
        mine, wanted = self._set_of(raw["spec"]["template"]) or self._new_set(raw), raw["spec"]["replicas"]
        new = [pod for pod in self.pods if _set_name(pod) == mine["metadata"]["name"]]
        old = sorted((pod for pod in self.pods if pod not in new), key=lambda pod: _ready_since(pod) is not None)
        serving = [pod for pod in self.pods if _ready_since(pod) is not None]
        if len(new) < wanted and len(new) + len(old) <= wanted:
            self._new_pod(mine)
        elif old and (_ready_since(old[0]) is None or len(serving) > wanted):
            del self.kube.objects[f"{PODS}/{old[0]['metadata']['name']}"]
        elif len(new) > wanted:
            del self.kube.objects[f"{PODS}/{new[-1]['metadata']['name']}"]

    def _set_of(self, template):
        for key, replica_set in self.kube.objects.items():
            if key.startswith(f"{SETS}/") and _bare(replica_set["spec"]["template"]) == _bare(template):
                self._newest(replica_set)
                return replica_set
        return None

    def _newest(self, replica_set):
        """Give the ReplicaSet of a template that comes back the next number."""
        numbers = [int(replica_set["metadata"]["annotations"][REVISION]) for replica_set in self._sets()]
        marks = replica_set["metadata"]["annotations"]
        if int(marks[REVISION]) < max(numbers):
            marks[REVISION] = str(max(numbers) + 1)

    def _sets(self):
        return [replica_set for key, replica_set in self.kube.objects.items() if key.startswith(f"{SETS}/")]

    def _new_set(self, raw):
        self.names += 1
        number = max((int(set_["metadata"]["annotations"][REVISION]) for set_ in self._sets()), default=0) + 1
        owner = owned_by("apps/v1", "Deployment", "web", raw["metadata"]["uid"])
        meta = {"creationTimestamp": self._now(), "ownerReferences": [owner]}
        body = a_replica_set(self.names, raw["spec"]["template"], **meta)
        body["metadata"]["annotations"] = {REVISION: str(number)}
        return self.kube.put(f"{SETS}/{body['metadata']['name']}", body)

    def _new_pod(self, owner):
        self.names += 1
        name, template = f"web-{self.names}", owner["spec"]["template"]
        state = {"name": "app", "ready": False, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": self._now()}
        meta = {
            "namespace": NAMESPACE,
            "creationTimestamp": self._now(),
            "labels": {"app": "web", POD_TEMPLATE_HASH: owner["metadata"]["labels"][POD_TEMPLATE_HASH]},
            "ownerReferences": [owned_by("apps/v1", "ReplicaSet", owner["metadata"]["name"], owner["metadata"]["uid"])],
        }
        self.kube.put(
            f"{PODS}/{name}",
            {"metadata": meta, "spec": template["spec"]},
            phase="Running",
            startTime=self._now(),
            conditions=[ready],
            containerStatuses=[state],
        )

    def _tell(self):
        raw = self.deployment
        mine = self._set_of(raw["spec"]["template"])
        new = [pod for pod in self.pods if mine and _set_name(pod) == mine["metadata"]["name"]]
        ready = [pod for pod in self.pods if _ready_since(pod) is not None]
        if template_hash(raw["spec"]["template"]) != self.template:
            self.template, self.changed_at = template_hash(raw["spec"]["template"]), self.clock()
        late = len(new) < raw["spec"]["replicas"] or any(_ready_since(pod) is None for pod in new)
        late = late and self.clock() - self.changed_at > timedelta(minutes=10)
        raw["status"] = {
            "observedGeneration": raw["metadata"]["generation"],
            "replicas": len(self.pods),
            "updatedReplicas": len(new),
            "readyReplicas": len(ready),
            "availableReplicas": len(ready),
            "conditions": [
                {"type": "Progressing", "reason": "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"},
                {"type": "Available", "status": "True" if len(ready) >= raw["spec"]["replicas"] else "False"},
            ],
        }

    def _remember(self):
        """Keep a template that has served for long enough as known good, as the Historian does.

        `good` also holds those whose pods have been ready for a moment: with doubt, they may be rolled back to.
        """
        since, raw = self.healthy_since(), self.deployment
        for pod in self.pods:
            at = _ready_since(pod)
            if at is not None and self.clock() - at >= revisions.MIN_READY:
                self.good.add(template_hash(pod_template(self, pod)))
        if since is None or (self.clock() - since).total_seconds() < SOAK:
            return
        body = revisions.snapshot(raw, WEB, revisions.KNOWN_GOOD, good_at=self.clock())
        path = paths.snapshots(NAMESPACE, body["metadata"]["name"])
        if path in self.kube.objects:
            self.kube.objects[path]["metadata"]["annotations"] = body["metadata"]["annotations"]
        else:
            self.kube.put(path, {**body, "metadata": {**body["metadata"], "creationTimestamp": self._now()}})

    def _now(self):
        return self.clock().isoformat()


def pod_template(web, pod):
    """The template that a pod was made from."""
    return web.kube.objects[f"{SETS}/{_set_name(pod)}"]["spec"]["template"]


def _set_name(pod):
    return pod["metadata"]["ownerReferences"][0]["name"]


def _ready_since(pod):
    condition = pod["status"]["conditions"][0]
    return datetime.fromisoformat(condition["lastTransitionTime"]) if condition["status"] == "True" else None


def _bare(template):
    """A template without what its controller adds."""
    meta = template["metadata"]
    labels = {key: value for key, value in meta["labels"].items() if key != POD_TEMPLATE_HASH}
    return {"metadata": {"labels": labels, "annotations": meta.get("annotations") or {}}, "spec": template["spec"]}
