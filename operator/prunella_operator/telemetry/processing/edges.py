"""Calls between services: pairs of a client span and the server span that it is the parent of.

`join` is used twice: on the spans of a batch, and on what that left open together with what earlier batches did. An
open half is carried for a minute, so that no cut of the offsets loses an edge.
"""

from dataclasses import dataclass

import polars as pl

from prunella_operator.telemetry.processing.items import WINDOW_NS, Items
from prunella_operator.telemetry.processing.peers import find_peers
from prunella_operator.telemetry.processing.spans import CLIENT, PRODUCER, SERVER

CARRY_NS = 60_000_000_000
MOST_CARRIED = 100_000
SIDE = ("service", "namespace", "kind", "workload", "pod")
"""The parts of its identity by which an edge names each end."""
HALF = {
    "trace": pl.UInt64, "span": pl.UInt64, "parent": pl.UInt64, "time": pl.Int64, "ms": pl.Float64, "role": pl.Int32,
    "failed": pl.Boolean, "peer": pl.String, "who": pl.Int32,
}  # fmt: skip
_EDGE = ("at", "who", "callee_who", "peer")


@dataclass(frozen=True)
class Joined:
    """`edges`: sums per window with `who`, and `callee_who` or `peer`; `open`: halves that wait for the other one."""

    edges: pl.DataFrame
    open: pl.DataFrame


def pair_spans(spans: Items) -> Joined:
    """Pair the spans of a batch. Calls to peers that never send spans, such as databases, are edges at once."""
    role, frame = pl.col("role"), spans.frame
    calls = frame.filter(role.is_in([CLIENT, PRODUCER])).with_columns(peer=pl.lit(""))
    servers = frame.filter((role == SERVER) & (pl.col("parent") != 0)).with_columns(peer=pl.lit(""))
    joined = join(pl.concat([calls.filter(role == CLIENT).select(*HALF), servers.select(*HALF)]), None)
    left = calls.join(joined.open, on=["trace", "span"], how="semi")
    named = _name_peers(spans, pl.concat([left, calls.filter(role == PRODUCER)]))
    direct = named.filter("direct").with_columns(callee_who=pl.lit(None, pl.Int32), gap=0.0)
    clients = named.filter(~pl.col("direct") & (role == CLIENT)).select(*HALF)
    edges = pl.concat([joined.edges, _sum_edges(direct, lost=0)])
    return Joined(edges, pl.concat([clients, joined.open.filter(role == SERVER)]))


def join(halves: pl.DataFrame, newest: int | None) -> Joined:
    """Pair halves that ended within a minute of each other.

    `newest` is the newest time known, in ns: calls that have been open for a minute before it are lost. None: keep all.
    """
    role = pl.col("role")
    clients, servers = halves.filter(role == CLIENT), halves.filter(role == SERVER)
    calls = pair(servers, clients).select(
        "trace", "span", "parent", who="who_parent", callee_who="who", peer=pl.lit(""), time="time_parent",
        failed="failed_parent", gap=(pl.col("ms_parent") - pl.col("ms")).clip(0),
    )  # fmt: skip
    waiting_clients = clients.join(calls, left_on=["trace", "span"], right_on=["trace", "parent"], how="anti")
    waiting = pl.concat([waiting_clients, servers.join(calls, on=["trace", "span"], how="anti")])
    if newest is None:
        return Joined(_sum_edges(calls, lost=0), waiting)
    over = pl.col("time") < newest - CARRY_NS
    lost = waiting_clients.filter(over & (pl.col("peer") != "")).with_columns(
        callee_who=pl.lit(None, pl.Int32), gap=0.0
    )
    kept = waiting.filter(~over).sort("time", descending=True).head(MOST_CARRIED)
    return Joined(pl.concat([_sum_edges(calls, lost=0), _sum_edges(lost, lost=1)]), kept)


def pair(children: pl.DataFrame, parents: pl.DataFrame) -> pl.DataFrame:
    """Pairs of spans that ended within a minute, the parent's columns with the suffix `_parent`. No span is its own."""
    pairs = children.filter(pl.col("parent") != pl.col("span")).join(
        parents, left_on=["trace", "parent"], right_on=["trace", "span"], suffix="_parent"
    )
    return pairs.filter((pl.col("time") - pl.col("time_parent")).abs() <= CARRY_NS)


def name_ends(edges: pl.DataFrame, identities: pl.DataFrame) -> pl.DataFrame:
    """Rows of telemetry_edge: both ends by their names. A peer without spans has nothing but a name."""
    ends = identities.select("who", *SIDE)
    caller = {name: f"caller_{name}" for name in SIDE}
    callee = {name: f"callee_{name}" for name in SIDE}
    named = edges.join(ends.rename(caller), on="who", how="left").join(
        ends.rename({**callee, "who": "callee_who"}), on="callee_who", how="left"
    )
    return (
        named.with_columns(callee_service=pl.coalesce("callee_service", "peer"))
        .with_columns(pl.col(*callee.values()).fill_null(""))
        .rename({"caller_service": "caller", "callee_service": "callee"})
        .drop("who", "callee_who", "peer")
    )


def _name_peers(spans: Items, calls: pl.DataFrame) -> pl.DataFrame:
    peers = find_peers(spans.look_up("attributes", calls["row"]))
    named = calls.drop("peer").with_row_index("call").join(peers, on="call", how="left")
    return named.with_columns(pl.col("peer").fill_null(""), pl.col("direct").fill_null(value=False))


def _sum_edges(calls: pl.DataFrame, lost: int) -> pl.DataFrame:
    at = pl.col("time") // WINDOW_NS * WINDOW_NS
    return calls.with_columns(at=at).group_by(_EDGE).agg(
        n=pl.len().cast(pl.Int64), errors=pl.col("failed").sum().cast(pl.Int64),
        lost=(pl.len() * lost).cast(pl.Int64), gap_ms=pl.col("gap").sum(),
    )  # fmt: skip
