"""An incident that was repaired and undone: its export with statements, and the audit log of its writes."""

import json
from datetime import timedelta
from pathlib import Path

from builders import NOW, a_rollback

from prunella_operator.activities.repair.live_object import parse
from prunella_operator.kubernetes.digest import digest
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.reporting.proof.exports import parse_export
from prunella_operator.reporting.proof.statement import make_statements, seal
from prunella_operator.reporting.proof.verification import ACCOUNTS, verify
from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_operator.reporting.recorded_orders import APPLIED, RecordedOrder, RecordedWork
from prunella_workflows.contracts.healing import Repaired, RepairOrder, Sent, undo_id
from prunella_workflows.model import labels
from prunella_workflows.model.incident_status import Attempt, IncidentStatus, Phase
from prunella_workflows.model.plan import Precondition, RestoreTemplate, SetMemory
from prunella_workflows.model.quantity import format_bytes

RECORDED = (Path(__file__).parents[1] / "decisions" / "oom-kill.json").read_text(encoding="utf-8")
WORKER = ACCOUNTS[1]
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
ACTION = "uid-incident-0a1b2c3d-1"
UNDO = undo_id(ACTION)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def a_template(memory="64Mi"):
    return {"spec": {"containers": [{"name": "server", "resources": {"limits": {"memory": memory}}}]}}


def the_changes(action):
    """The operations that the action makes, and the hash of the template that is then in the object."""
    if isinstance(action, RestoreTemplate):
        whole = a_template()
        return [{"op": "replace", "path": "/spec/template", "value": whole}], template_hash(whole)
    if not isinstance(action, SetMemory):
        return [], "hash-3"
    base = "/spec/template/spec/containers/0"
    limit = {"op": "add", "path": f"{base}/resources/limits/memory", "value": format_bytes(action.limit_to)}
    return [{"op": "test", "path": f"{base}/name", "value": action.container}, limit], "hash-3"


def a_patch(action, action_id, seconds, generation):
    marks = {labels.LAST_ACTION: action_id, labels.LAST_ACTION_AT: at(seconds).isoformat()}
    metadata = {"name": "web", "uid": "uid-web", "generation": generation, "annotations": {"team": "shop"}}
    live = parse({"kind": "Deployment", "metadata": metadata})
    changes, after = the_changes(action)
    return live.patch({**marks, labels.LAST_CHANGE: str(action), labels.AFTER: after}, changes)


def an_order(kind, action, action_id, seconds, generation, **values):
    """An order, a patch two seconds later, and the answer after one more."""
    patch = a_patch(action, action_id, seconds + 2, generation)
    done = Repaired(
        action_id=action_id,
        template_hash=the_changes(action)[1],
        written_at=at(seconds + 2),
        sent=Sent(read=f"generation {generation}", patch=digest(patch)),
    )
    order = RepairOrder(incident=recorded().incident, action_id=action_id, action=action)
    made = {"outcome": APPLIED, "ended_at": at(seconds + 3), "repaired": done, "worker": "1@worker", **values}
    return RecordedOrder(kind, order, 1, at(seconds), **made), patch


def recorded():
    return parse_recorded(RECORDED, "oom-kill.json")


def repair_and_undo():
    """The two orders with their patches. A repair takes the next step of the plan."""
    step = recorded().diagnoses[0].report.plan.steps[0]
    left = Precondition(uid="uid-web", template_hash="hash-3", last_action=ACTION)
    return an_order("repair", step.action, ACTION, 10, 2), an_order("undo", a_rollback(require=left), UNDO, 100, 3)


def an_attempt(**values):
    words = {"number": 1, "action_id": ACTION, "action": "SetMemory", "target": "Deployment/web", "started_at": at(10)}
    return Attempt(**words, **{"verdict": "NotHealed", "undone": True, **values})


def an_event(seconds, path=PATH, body=None, **values):
    """A granted patch of Prunella's worker, as the audit log has it."""
    *_, namespace, resource, name = path.split("/")[:8] if path.startswith("/apis") else path.split("/")[:7]
    group = path.split("/")[2] if path.startswith("/apis") else ""
    stamp = at(seconds).isoformat().replace("+00:00", "Z")
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": f"audit-{seconds}-{path}",
        "stage": "ResponseComplete",
        "requestURI": f"{path}?fieldManager=prunella",
        "verb": "patch",
        "user": {"username": WORKER, "groups": ["system:authenticated"]},
        "objectRef": {"apiGroup": group, "resource": resource, "namespace": namespace, "name": name},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": stamp,
        "stageTimestamp": stamp,
        **({"requestObject": body} if body is not None else {}),
        **values,
    }


def by(user, seconds, path=PATH, body=None, **values):
    return an_event(seconds, path, body, user={"username": user}, **values)


class Scene:
    """An export and a log that agree. Tests change one of them, as an attacker would."""

    def __init__(self, folder):
        self.folder = folder
        orders, patches = zip(*repair_and_undo(), strict=True)
        incident, value = recorded(), json.loads(RECORDED)
        facts = [diagnosis["facts"] for diagnosis in value["diagnoses"]]
        made = make_statements(incident.incident, facts, RecordedWork(orders, (an_attempt(),)))
        status = IncidentStatus(phase=Phase.ESCALATED, attempts=(an_attempt(),))
        self.export = json.loads(incident.model_copy(update={"statements": made, "status": status}).to_json())
        self.patches = patches
        snapshots = "/apis/apps/v1/namespaces/shop/controllerrevisions/web-prunella-1"
        self.log = [
            by("system:node:a", 0, "/api/v1/namespaces/shop/pods/web-a", {"status": {}}),
            an_event(11, snapshots, {"kind": "ControllerRevision"}, verb="create"),
            an_event(12, body=patches[0]),
            an_event(102, body=patches[1]),
            by("system:node:a", 300, "/api/v1/namespaces/shop/pods/web-a", {"status": {}}),
        ]

    @property
    def statements(self):
        return self.export["statements"]

    def seal(self, sign=None):
        """Number and chain the statements again: everyone can do that, but only who has the key can sign."""
        self.export["statements"] = list(seal(self.statements, sign))

    def change(self, number, intent=None, **values):
        """Change a statement, so that the chain holds again."""
        statement = self.statements[number - 1]
        statement |= values
        statement["intent"] |= intent or {}
        self.seal()

    def write(self):
        """The files of log and export."""
        log, export = self.folder / "audit.log", self.folder / "one.json"
        log.write_text("".join(json.dumps(event) + "\n" for event in self.log))
        export.write_text(json.dumps(self.export))
        return log, export

    def verify(self, **options):
        log, export = self.write()
        return verify([parse_export(export.read_text(), "one.json")], [log], **options)

    def found(self, **options):
        return {finding.kind for finding in self.verify(**options).findings}
