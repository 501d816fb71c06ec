"""The lean reading of an Incident."""

import pytest

from prunella_operator.incidents.view import Status
from prunella_workflows.model.incident_status import Phase


@pytest.mark.parametrize(
    ("phase", "reason", "waits"),
    [
        (Phase.AWAITING_APPROVAL, "ApprovalNeeded", True),
        (Phase.DIAGNOSING, "OutsideWindow", True),
        (Phase.DIAGNOSING, "Suspended", True),
        (Phase.DIAGNOSING, "Diagnosing", False),
        (Phase.VERIFYING, "Holding", True),
        (Phase.VERIFYING, "Settling", False),
        (Phase.REPAIRING, "Repairing", False),
    ],
)
def test_only_intended_waiting_is_waiting(phase, reason, waits):
    assert Status(phase=phase, reason=reason).is_waiting is waits
