"""The names that client spans give to whom they call, for calls that no server span answers."""

import polars as pl

from prunella_operator.telemetry.processing.texts import mask_name

_DIRECT = ("db.system.name", "db.system", "messaging.system")
_NAMED = ("peer.service", "server.address", "net.peer.name")
_KEYS = (*_DIRECT, *_NAMED)
"""Attributes in the order of preference."""
_LONGEST = 125
"""Longest value whose encoding has a one-byte length at each level."""
_IP = r"^[0-9.]+$|:"


def find_peers(attributes: pl.Series) -> pl.DataFrame:
    """Find `peer` in the attributes of calls, by `call`, their index; `direct`: the peer sends no spans of its own."""
    calls = attributes.to_frame("pair").with_row_index("call").lazy()
    pairs = calls.explode("pair", empty_as_null=False)
    ranks = pl.coalesce(
        *(pl.when(pl.col("pair").bin.starts_with(_prefix(key))).then(rank) for rank, key in enumerate(_KEYS))
    )
    sizes = pl.Series([len(_prefix(key)) for key in _KEYS], dtype=pl.Int64)
    found = pairs.with_columns(rank=ranks.cast(pl.UInt32)).filter(pl.col("rank").is_not_null()).collect()
    text = found.with_columns(skip=sizes.gather(found["rank"])).with_columns(
        # an AnyValue with a string: its length, the tag 0x0a, the length of the text, the text
        value=pl.col("pair").bin.slice(pl.col("skip") + 3),
        size=pl.col("pair").bin.size().cast(pl.Int64) - pl.col("skip") - 3,
    )
    named = text.filter((pl.col("size") > 0) & (pl.col("size") <= _LONGEST)).with_columns(
        peer=pl.col("value").cast(pl.String, strict=False)
    )
    return _choose(named)


def _choose(named: pl.DataFrame) -> pl.DataFrame:
    direct = pl.col("rank") < len(_DIRECT)
    peers = named.filter(pl.col("peer").is_not_null() & (direct | ~pl.col("peer").str.contains(_IP)))
    best = peers.sort("rank").unique("call", keep="first", maintain_order=True)
    names = best["peer"].unique()
    masked = pl.DataFrame(
        {"peer": names, "masked": [mask_name(_host(name)) for name in names]}, {"peer": pl.String, "masked": pl.String}
    )
    return best.join(masked, on="peer", how="left").select("call", peer="masked", direct=direct)


def _host(name: str) -> str:
    """The Service of `cart.shop.svc.cluster.local` is cart."""
    host, _, rest = name.partition(".")
    return host if rest.endswith((".svc", ".svc.cluster.local")) else name


def _prefix(key: str) -> bytes:
    """The encoding of a KeyValue up to, and with, the tag of its value."""
    return b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12"
