"""Balance of a large cluster's pods over a sensor's shards, and the moves when a shard dies. Needs no cluster.

Clusters are drawn with namespaces as skewed as real ones are; each function then says which shard has which pod. The
fill is that of the fullest shard over the mean: 1.00 is perfect, 2.00 means that one shard has twice its share.

    python tests/bench/simulate_shards.py --pods 150000 --shards 3 5 8
"""

import argparse
import hashlib
import random  # noqa: TID251 - clusters are drawn, with a seed
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

SPACE = 1 << 64
BOUND = 1.15  # of the mean, that a shard may have before a namespace goes to its next choice


def fnv(text):
    """FNV-1a of 64 bits: what the API server compares with the ranges of a shard selector (KEP-5866)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % SPACE
    return value


def sha(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@dataclass(frozen=True)
class Cluster:
    """A cluster's namespaces and the number of pods of each."""

    sizes: dict[str, int]

    @property
    def pods(self):
        return sum(self.sizes.values())


def names(count, chance):
    """Teams with three stages each, and previews with a number: names that share most of their letters."""
    stages = ("prod", "staging", "dev")
    teams = [f"team-{number // 3}-{stages[number % 3]}" for number in range(count * 2 // 3)]
    return teams + [f"preview-{chance.randrange(10_000):04}" for _ in range(count - len(teams))]


def drawn(kind, pods, chance):
    """A cluster: `even`, `skewed` (log-normal), `zipf`, `giant`, where one namespace has a third of all pods, and
    `numbered`: a hundred large tenants, all alike, whose names differ only in the number at their end.
    """
    count = 100 if kind == "numbered" else 2000
    match kind:
        case "even" | "numbered":
            weights = [1.0] * count
        case "zipf":
            weights = [1 / rank for rank in range(1, count + 1)]
        case _:
            weights = [chance.lognormvariate(0, 1.8) for _ in range(count)]
    if kind == "giant":
        weights[0] = sum(weights[1:]) / 2
    chance.shuffle(weights)
    scale, sizes = pods / sum(weights), Counter()
    called = [f"tenant-{number:02}" for number in range(count)] if kind == "numbered" else names(count, chance)
    for name, weight in zip(called, weights, strict=True):
        sizes[name] += max(1, round(weight * scale))
    return Cluster(dict(sizes))


def by_range(hashed):
    """Equal ranges of the hash."""
    return lambda cluster, shards: {name: hashed(name) * len(shards) // SPACE for name in cluster.sizes}


def modulo(cluster, shards):
    return {name: sha(name) % len(shards) for name in cluster.sizes}


def choices(name, shards):
    """All shards in the order that this namespace prefers: by a number drawn for each pair, highest first."""
    return sorted(shards, key=lambda shard: sha(f"{shard}/{name}"), reverse=True)


def rendezvous(cluster, shards):
    return {name: choices(name, shards)[0] for name in cluster.sizes}


def bounded(cluster, shards):
    """The same, but no shard takes more than BOUND times the mean; the largest namespaces choose first."""
    room, fill, place = BOUND * cluster.pods / len(shards), Counter(), {}
    for name in sorted(cluster.sizes, key=lambda size: (-cluster.sizes[size], size)):
        wanted = choices(name, shards)
        fits = (shard for shard in wanted if fill[shard] + cluster.sizes[name] <= room)
        place[name] = next(fits, min(wanted, key=lambda shard: fill[shard]))
        fill[place[name]] += cluster.sizes[name]
    return place


FUNCTIONS = {
    "namespace, ranges of FNV-1a": by_range(fnv),
    "namespace, ranges of SHA-256": by_range(sha),
    "namespace, SHA-256 modulo": modulo,
    "namespace, rendezvous": rendezvous,
    "namespace, rendezvous with bounds": bounded,
}


def fills(cluster, place):
    """Pods of each shard that has any."""
    found = Counter()
    for name, shard in place.items():
        found[shard] += cluster.sizes[name]
    return found


def fullest(cluster, place, shards):
    return max(fills(cluster, place).values()) / (cluster.pods / shards)


def by_uid(cluster, shards, chance):
    """Pods by ranges of FNV-1a of their uid: the fill of the fullest."""
    found = Counter(fnv(f"{chance.getrandbits(128):032x}") * shards // SPACE for _ in range(cluster.pods))
    return max(found.values()) / (cluster.pods / shards)


def after_a_death(cluster, function, shards):
    """The share of the survivors' pods that moved without need, and the fullest survivor's fill."""
    everybody = list(range(shards))
    before, after = function(cluster, everybody), function(cluster, everybody[:-1])
    moved = sum(size for name, size in cluster.sizes.items() if before[name] not in {after[name], everybody[-1]})
    return moved / cluster.pods, fullest(cluster, after, shards - 1)


def percent(values):
    return f"{100 * sum(values) / len(values):.0f} %"


def spread(values):
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f} / {ordered[-1]:.2f}"


def row(function, kind, options, shards):
    clusters = [drawn(kind, options.pods, random.Random(seed)) for seed in range(options.draws)]
    even = spread([fullest(cluster, function(cluster, list(range(shards))), shards) for cluster in clusters])
    deaths = [after_a_death(cluster, function, shards) for cluster in clusters]
    return even, percent([moved for moved, _ in deaths]), spread([fill for _, fill in deaths])


def show(options, shards):
    title = f"{options.pods:,} pods, {shards} shards, {options.draws} clusters of each kind: median / worst"
    table = Table("sharding by", "cluster", "fullest", "moved needlessly at a death", "fullest afterwards", title=title)
    for name, function in FUNCTIONS.items():
        for kind in options.kinds:
            table.add_row(name, kind, *row(function, kind, options, shards))
    chance = random.Random(0)
    table.add_row("uid, ranges of FNV-1a", "any", f"{by_uid(drawn('even', options.pods, chance), shards, chance):.2f}")
    Console(width=130).print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=150_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[3, 5, 8])
    parser.add_argument("--draws", type=int, default=20, help="clusters of each kind (default: %(default)s)")
    kinds = ("even", "numbered", "skewed", "zipf", "giant")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    options = parser.parse_args()
    for shards in options.shards:
        show(options, shards)


if __name__ == "__main__":
    main()
