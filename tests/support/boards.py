"""The queries of a dashboard: of its panels, its annotations and its choices."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def series_wanted(board: Json) -> set[str]:
    """Its PromQL."""
    return {one["expr"] for one in (*_targets(board), *board["annotations"]["list"]) if "expr" in one}


def rows_wanted(board: Json) -> set[str]:
    """Its SQL."""
    targets = [*_targets(board), *(one["target"] for one in board["annotations"]["list"] if "target" in one)]
    choices = {one["query"] for one in board["templating"]["list"] if one["query"].startswith("SELECT")}
    return {one["rawSql"] for one in targets if "rawSql" in one} | choices


def _targets(board: Json) -> Iterator[Json]:
    return (target for panel in board["panels"] for target in panel.get("targets", ()))
