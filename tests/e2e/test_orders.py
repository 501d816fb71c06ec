"""The order application under load, broken four times and healed: `make orders` as a test, in a cluster of its own."""

import subprocess
import sys

import pytest
from orderhealing import rows
from orderhealing.faults import FAULTS
from orderhealing.rows import RECOVERY_SECONDS
from support.cluster import ROOT

pytestmark = [pytest.mark.orders, pytest.mark.timeout(90 * 60, func_only=True)]

HEALED = [name for name, fault in FAULTS.items() if fault.may_change or fault.peak]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The exit code, the output, and the rows."""
    folder = tmp_path_factory.mktemp("orders")
    command = [sys.executable, ROOT / "hack" / "orders", "--name", "prunella-orders-test", "--state", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, rows.load(folder / "rows.json")


def test_every_fault_ends_as_it_should_and_costs_nothing(played):
    code, output, found = played
    assert code == 0, output
    assert {name: row.is_right for name, row in found.items()} == dict.fromkeys(FAULTS, True), output


@pytest.mark.parametrize("name", HEALED)
def test_what_can_be_healed_is_over_in_time(played, name):
    row = played[2][name]
    assert row.repaired is not None
    assert row.over < RECOVERY_SECONDS
