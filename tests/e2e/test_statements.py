"""The statements about real repairs agree with the audit log of the real API server."""

import pytest
from support.cases.inspection import with_cases
from support.cases.recorder import read_case

from prunella_operator.reporting.proof.exports import parse_export
from prunella_operator.reporting.proof.verification import verify

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases("oom-killed", "next-pod-fails-too", "stateful-slowly")
def test_each_write_has_its_statement(case_run, accounts, prunella, tmp_path):
    case_run.closed()
    if case_run.cluster.audit is None:
        pytest.skip("this cluster has no audit log")
    log = tmp_path / "audit.log"
    log.write_bytes(b"".join(case_run.cluster.audit.lines(case_run.namespace)))
    address = str(prunella.operator.settings["temporal_address"])
    exports = [parse_export(recorded.to_json(), f"{number}.json") for number, recorded in read_case(case_run, address)]
    users = {account.user for account in accounts.values()}
    proof = verify(exports, [log], accounts=users, namespace=case_run.namespace)
    assert proof.findings == ()
    assert proof.writes >= case_run.case.writes > 0
    assert not [note for note in proof.unchecked if "no request body" in note.message]
