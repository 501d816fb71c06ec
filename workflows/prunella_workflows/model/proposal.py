"""The repair that waits for an approval, by an id of exactly what people are shown."""

import hashlib
import json

from prunella_workflows.model.incident_status import IncidentStatus


def proposal_id(status: IncidentStatus) -> str:
    """The id of the proposed repair: another one for another plan or diff, after another attempt, or in another run."""
    run_id = status.workflow.run_id if status.workflow is not None else ""
    last = status.attempts[-1].action_id if status.attempts else ""
    shown = json.dumps([run_id, last, status.plan, status.diff])
    return hashlib.sha256(shown.encode()).hexdigest()[:32]
