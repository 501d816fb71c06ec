"""Calculations of the benchmarks: nothing is measured here."""

import os
import random  # noqa: TID251 - with a seed
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # scripts, not a package

import simulate_shards
import soak_table
from proc import percentile, usage
from scale_table import Results, markdown
from soak_workloads import Labels, Metadata, Status, WatchedObject, WorkloadPool
from workloads import address

from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model.workload import WorkloadRef


def test_a_process_is_read_from_proc():
    found = usage(os.getpid())
    assert 0 < found.rss <= found.peak
    assert found.cpu > 0
    assert found.threads >= 1
    assert found.files >= 3


def test_a_process_that_has_ended_is_gone_even_before_its_parent_notices():
    child = subprocess.Popen(["true"])
    while (Path("/proc") / str(child.pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    with pytest.raises(FileNotFoundError, match="has ended"):
        usage(child.pid)
    child.wait()


def test_percentiles():
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0] * 99 + [9.0], 0.99) == 9.0
    assert percentile([], 0.5) != percentile([], 0.5)


def test_rows_are_kept_and_judged(tmp_path):
    results = Results(tmp_path / "more" / "rows.json")
    assert results.get(20_000, "go") is None
    results.put(20_000, "go", {"memory (MiB)": 500.0, "sync (s)": 1.0})
    results.put(20_000, "source", {"memory (MiB)": 60.0, "sync (s)": 1.5})
    results.put(10_000, "whole", {"operator, quiet (MiB)": 112.0, "p99 (ms)": 80.0})
    table = markdown(results.load())
    assert "| 20,000 | go | 500 | 1.00 |" in table
    assert "| operator, quiet (MiB) | 112 |" in table
    assert "quiet (MiB) 112, aim 120: met" in table
    assert "p99 (ms) 80, aim 50: missed by 30.0" in table
    assert "memory (MiB) 60.0, aim 100.0: met" in table
    assert "sync (s) 1.5, aim 1.0: missed by 0.5" in table


@pytest.mark.parametrize(("text", "value"), [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C)])
def test_the_hash_is_the_published_one(text, value):
    assert simulate_shards.fnv(text) == value


@pytest.mark.parametrize("name", simulate_shards.FUNCTIONS)
def test_every_namespace_has_one_shard(name):
    cluster = simulate_shards.Cluster({f"shop-{number}": number for number in range(1, 50)})
    place = simulate_shards.FUNCTIONS[name](cluster, [0, 1, 2])
    assert set(place) == set(cluster.sizes)
    assert set(place.values()) <= {0, 1, 2}
    assert sum(simulate_shards.fills(cluster, place).values()) == cluster.pods


def test_numbered_namespaces_fall_into_one_range_of_fnv():
    cluster = simulate_shards.drawn("numbered", 150_000, random.Random(1))
    place = {name: simulate_shards.FUNCTIONS[name](cluster, [0, 1, 2]) for name in simulate_shards.FUNCTIONS}
    assert simulate_shards.fullest(cluster, place["namespace, ranges of FNV-1a"], 3) > 1.5
    assert simulate_shards.fullest(cluster, place["namespace, rendezvous"], 3) < 1.3


def test_rendezvous_moves_only_what_has_to():
    cluster = simulate_shards.Cluster({f"shop-{number}": number for number in range(1, 50)})
    assert simulate_shards.after_a_death(cluster, simulate_shards.rendezvous, 4)[0] == 0
    assert simulate_shards.after_a_death(cluster, simulate_shards.modulo, 4)[0] > 0


def test_growth_is_told_of_the_second_half_alone():
    rising = [{"minute": at, "operator MiB": 100.0 + min(at, 30), "worker MiB": 150.0 + at / 10} for at in range(61)]
    told = soak_table.verdicts(soak_table.Soak({}, rising))
    assert told[0] == "operator: +0.0 MiB an hour over the last 30 minutes (130 to 130 MiB)"
    assert told[1] == "worker: +6.0 MiB an hour over the last 30 minutes (153 to 156 MiB)"
    assert "too short" in soak_table.verdicts(soak_table.Soak({}, rising[:2]))[0]


def test_the_line_is_that_of_the_least_squares():
    assert soak_table.slope([(0, 1), (1, 3), (2, 2), (3, 4)]) == pytest.approx(0.8)
    assert soak_table.slope([(1, 1), (1, 3)]) == 0.0


def an_incident(number, uid, phase):
    namespace, name = address(number)
    key = workload_key(WorkloadRef(kind="Deployment", namespace=namespace, name=name))
    return WatchedObject(Metadata(namespace, f"{name}-{uid}", uid, "1", Labels(workload=key)), Status(phase))


@pytest.fixture
def pool():
    """Five workloads: one healed once, one healed twice, one escalated, one lost, and one that is well."""
    found = WorkloadPool(None, None)
    for number in range(5):
        found.case(*address(number)).broken = 1.0 if number < 4 else 0.0
    for seen in ((0, "a", ""), (0, "a", "Healed"), (1, "b", "Healed"), (1, "c", "Healed"), (2, "d", "Escalated")):
        found.incident(an_incident(*seen))
    return found


def test_every_fault_is_counted_by_its_end(pool):
    ends = pool.ends()
    assert (ends["made"], ends["healed"], ends["lost"], ends["doubled"]) == (4, 1, ["service-3"], ["service-1"])
    assert ends["not healed"] == ["service-2:Escalated"]
    counts = {"faults": 4, "incidents": 4, "open": 0, "healed": 3, "otherwise": 1, "kept": 4}
    assert pool.count() == counts
    assert not pool.settled


def test_an_incident_that_is_removed_still_counts(pool):
    pool.gone("a")
    assert pool.count()["kept"] == 3
    assert pool.ends()["healed"] == 1


def test_a_case_knows_the_pod_that_it_had_before_its_fault(pool):
    namespace, name = address(4)
    for pod, phase in (("early", "Pending"), ("first", "Running"), ("second", "Running")):
        pool.running(WatchedObject(Metadata(namespace, pod, pod, "1", Labels(app=name)), Status(phase)))
    assert pool.ready.pod == "first"
