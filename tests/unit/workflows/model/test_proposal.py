"""The id of a proposed repair: the same for what people saw, another one for anything else."""

import pytest

from prunella_workflows.model.incident_status import Attempt, IncidentStatus, WorkflowLink
from prunella_workflows.model.proposal import proposal_id

ATTEMPT = Attempt(
    number=1, action_id="u-1", action="Restart", target="Deployment/web", started_at="2026-11-24T11:00:00Z"
)
SHOWN = IncidentStatus(plan="Roll back", diff="-a\n+b\n", workflow=WorkflowLink(id="incident-u", run_id="r1"))


def test_it_is_the_same_for_the_object_that_people_read():
    assert proposal_id(SHOWN) == proposal_id(IncidentStatus.model_validate(SHOWN.to_object()))
    assert proposal_id(SHOWN) == proposal_id(SHOWN.model_copy(update={"message": "Waiting", "reason": "NotAnApprover"}))


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "Restart"},
        {"diff": "-a\n+c\n"},
        {"plan": "Roll back-a\n", "diff": "+b\n"},
        {"workflow": WorkflowLink(id="incident-u", run_id="r2")},
        {"workflow": None},
        {"attempts": (ATTEMPT,)},
    ],
)
def test_it_is_another_one_for_another_plan_diff_run_or_attempt(change):
    assert proposal_id(SHOWN.model_copy(update=change)) != proposal_id(SHOWN)
