"""What the benchmarks calculate: nothing is measured here."""

import os
import random  # noqa: TID251 - with a seed
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))  # scripts, not a package

import simulate_shards
from proc import percentile, usage
from scale_table import Results, markdown


def test_a_process_is_read_from_proc():
    found = usage(os.getpid())
    assert 0 < found.rss <= found.peak
    assert found.cpu > 0


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
