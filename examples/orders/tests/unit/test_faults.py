"""The faults on demand that need no service."""

from pathlib import Path

from prunella_orders.services.faults import holding


def resident():
    """The memory of this process that is really used, in MiB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_memory_that_is_held_is_used_and_given_back():
    before = resident()
    with holding(128):
        assert resident() - before > 120
    assert resident() - before < 60
