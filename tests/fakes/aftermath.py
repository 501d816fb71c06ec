"""A workload after an observed incident, and the people who may change it. Times are minutes after its end.

Deployment `web` runs release 2, which crashes; release 1 was good. The plan is shown, and nothing is written.
"""

import copy
from datetime import UTC, datetime, timedelta

from fakes.objects import WEB, a_deployment, a_pod, a_replica_set, a_template

from prunella_operator.aftermath.case import Afterwards, LaterIncident, Observed
from prunella_operator.kubernetes.views.templates import RESTARTED_AT, template_hash, template_of
from prunella_workflows.model.plan import PodRef, Precondition, ResizePods, Restart, RestoreTemplate, SetMemory, Step
from prunella_workflows.model.workload import RevisionRef

CLOSED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MI = 1 << 20
BAD, GOOD = a_template(2), a_template(1)
REQUIRE = Precondition(uid=WEB.uid, template_hash=template_hash(BAD))
RAISE = SetMemory(target=WEB, require=REQUIRE, container="app", limit_from=64 * MI, limit_to=128 * MI)
RAISE_BOTH = RAISE.model_copy(update={"request_from": 16 * MI, "request_to": 32 * MI})
RESIZE = ResizePods(
    target=WEB,
    require=REQUIRE,
    container="app",
    limit_from=64 * MI,
    limit_to=128 * MI,
    pods=(PodRef(name="web-0", uid="uid-web-0"),),
)
UNDO = RestoreTemplate(
    target=WEB,
    require=REQUIRE,
    revision=RevisionRef(source="ReplicaSet", name="web-hash1", template_hash=template_hash(GOOD)),
    description="revision 1",
)
RESTART = Restart(target=WEB, require=REQUIRE, stamp="2026-11-24T12:00:00Z")


def minute(number):
    return CLOSED + timedelta(minutes=number)


def stamp(number):
    return minute(number).strftime("%Y-%m-%dT%H:%M:%SZ")


def observed(action=UNDO, kind="PodCrashLoop", settle=None, **values):
    """The incident whose plan was this action."""
    step = Step(action=action, **({"settle": settle} if settle else {}))
    return Observed(step=step, kind=kind, since=minute(-1), closed_at=CLOSED, **values)


class Shop:
    """The cluster in which people act."""

    def __init__(self, template=BAD, replicas=2):
        self.template, self.replicas, self.uid = template, replicas, WEB.uid
        self.revisions = [a_replica_set(1), a_replica_set(2, template, creationTimestamp=stamp(-30))]
        self.writes, self.later = {}, []
        self.ready, self.born, self.crashed, self.gone, self.rolled_out = None, -30, -2, False, True
        self.image_id = ""
        self.created = stamp(-5000)

    def change(self, template, at, by="kubectl-edit"):
        """Someone sets the template: the controller finds its revision, or makes one; the pods are replaced."""
        self.template, self.born, self.ready, self.crashed = template, at, None, None
        self._write(by, at, {"f:template": {}})
        digest, newest = template_hash(template), len(self.revisions) + 10
        found = [one for one in self.revisions if template_hash(template_of(one)) == digest]
        if found:
            found[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = str(newest)
        else:
            self.revisions.append(a_replica_set(newest, template, creationTimestamp=stamp(at)))
        return self

    def undo(self, at):
        """`kubectl rollout undo`."""
        return self.change(copy.deepcopy(GOOD), at, "kubectl-rollout")

    def restart(self, at, by="kubectl-rollout"):
        """`kubectl rollout restart`."""
        annotations = {**(self.template["metadata"].get("annotations") or {}), RESTARTED_AT: stamp(at)}
        restarted = {**self.template, "metadata": {**self.template["metadata"], "annotations": annotations}}
        self.template, self.born, self.ready, self.crashed = restarted, at, None, None
        self._write(by, at, {"f:template": {}})
        return self

    def scale(self, replicas, at, by="kubectl"):
        """`kubectl scale`."""
        self.replicas = replicas
        self._write(by, at, {"f:replicas": {}}, subresource="scale")
        return self

    def touch(self, at, by="helm"):
        """A tool writes the spec, and it ends as it was."""
        self._write(by, at, {"f:template": {}, "f:replicas": {}})
        return self

    def replace_pods(self, at):
        self.born, self.crashed = at, None
        return self

    def older_pods(self):
        """Pods from before the incident serve, as a rolling update leaves them."""
        self.born = -5000
        return self

    def recreate(self, template, at):
        self.uid, self.created = "uid-another", stamp(at)
        return self.change(template, at, "kubectl-create")

    def delete(self):
        self.gone = True
        return self

    def works(self, at):
        """The pods are ready from now on."""
        self.ready, self.crashed = at, None
        return self

    def crashes(self, at):
        """The last crash; the pods wait for their next start."""
        self.ready, self.crashed = None, at
        return self

    def opens(self, at, kind="PodCrashLoop"):
        """Another incident of the workload."""
        self.later.append(LaterIncident(minute(at), kind))
        return self

    def look(self, at, **values):
        """The facts that the cluster remembers at this minute."""
        if self.gone:
            return Afterwards(minute(at), None)
        return Afterwards(
            read_at=minute(at),
            workload=self._workload(),
            revisions=tuple(self.revisions),
            pods=tuple(self._pod(number) for number in range(self.replicas)),
            later=tuple(self.later),
            **values,
        )

    def _write(self, by, at, fields, **values):
        entry = {"manager": by, "operation": "Update", "time": stamp(at), "fieldsV1": {"f:spec": fields}, **values}
        self.writes[by, values.get("subresource")] = entry

    def _workload(self):
        ready = self.replicas if self.ready is not None else 0
        status = {"availableReplicas": ready, "readyReplicas": ready}
        if not self.rolled_out:
            status["updatedReplicas"] = 0
        raw = a_deployment(self.template, replicas=self.replicas, status=status)
        raw["metadata"] |= {
            "uid": self.uid,
            "creationTimestamp": self.created,
            "managedFields": list(self.writes.values()),
        }
        return raw

    def _pod(self, number):
        status = {"imageID": self.image_id}
        if self.crashed is not None:
            ended = {"exitCode": 1, "reason": "Error", "finishedAt": stamp(self.crashed)}
            status |= {"restartCount": 3, "lastState": {"terminated": ended}}
        ready = stamp(self.ready) if self.ready is not None else None
        raw = a_pod(f"web-{number}", 2, ready_since=ready, status=status, creationTimestamp=stamp(self.born))
        return {**raw, "spec": self.template["spec"]}
