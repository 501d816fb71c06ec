"""`prunella incidents export` and `prunella replay`: decisions with their facts, and the same decisions made again."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator import clock
from prunella_operator.cli.arguments import Name, Namespace, parse_since
from prunella_operator.cli.options import CONNECTION, Invocation, Json, add_options
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import NotFound

if TYPE_CHECKING:
    from prunella_operator.reporting.changed_policies import ChangedPolicies
    from prunella_operator.reporting.recorded_incident import RecordedIncident
    from prunella_operator.reporting.replay import Change, Replay

_MAX_FIELDS = 12

Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="PATH...", help="Exported incidents, or folders of them.", exists=True)
]
Since = Annotated[
    str | None, typer.Option(metavar="SPAN|DATE", help="Replay the incidents that Temporal has since: 30d, 2026-11-01.")
]
OneNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="With --since: only this one.")]
Policy = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Policies (YAML) to decide by, beside or instead of the recorded."),
]
Update = Annotated[bool, typer.Option("--update", help="Write the decisions of this version into the files.")]


@add_options(CONNECTION)
def export(invocation: Invocation, *, name: Name, namespace: Namespace = None) -> None:
    """Export an incident: the facts, the policies and the decision of each diagnosis, without secrets, as JSON.

    Example: `prunella incidents export checkout-oom-1 -n shop > checkout-oom-1.json`
    """
    from prunella_operator.reporting.recorded_histories import of_incident

    reader = invocation.reader()
    incident = reader.get(namespace or reader.namespace, name)
    found = invocation.tools.recorded(invocation.settings, of_incident(incident.metadata.uid))
    if not found:
        raise NotFound(f"Temporal has no workflow of incident {name}: it has not begun, or its retention is over")
    sys.stdout.write(found[-1].to_json())


@add_options(CONNECTION)
def replay(
    invocation: Invocation,
    *,
    paths: Paths = None,
    since: Since = None,
    namespace: OneNamespace = None,
    policy: Policy = None,
    update: Update = False,
    as_json: Json = False,
) -> None:
    """Make recorded decisions again, and show which ones differ. Needs no cluster; exit code 1 if any differs.

    The decisions come from exported incidents, or with `--since` from Temporal. With `--policy` it shows the incidents
    that would have gone another way by that policy, each with the reason.

    Examples: `prunella replay tests/decisions`, `prunella replay --since 30d -n shop --policy new.yaml`
    """
    from prunella_operator.reporting.replay import decide_again
    from prunella_operator.reporting.replay import replay as make_again

    if bool(paths) == bool(since) or (update and (policy or not paths)):
        raise typer.BadParameter("name exported incidents or folders of them, or pass --since; --update is for files")
    files = dict(_read_files(paths or []))
    incidents = tuple(files.values()) if paths else _read_history(invocation, since or "", namespace)
    result = (
        make_again(incidents, read_policies(policy).apply).with_other_outcomes() if policy else make_again(incidents)
    )
    if as_json:
        console().print_json(json.dumps(asdict(result)), indent=2)
    else:
        _print(result)
    if update:
        for path, incident in files.items():
            path.write_text(decide_again(incident).to_json(), encoding="utf-8")
    raise typer.Exit(1 if result.changes and not (update or policy) else 0)


def _read_files(paths: list[Path]) -> "Iterator[tuple[Path, RecordedIncident]]":
    """All files are read before anything is printed. Wrong usage, with the place, if one is no exported incident."""
    from prunella_operator.reporting.recorded_incident import parse_recorded

    files = [file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    if paths and not files:
        raise typer.BadParameter(f"no exported incident in {', '.join(map(str, paths))}")
    for file in files:
        try:
            yield file, parse_recorded(_read(file), str(file))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


def read_policies(file: Path) -> "ChangedPolicies":
    """Read a file of policies. Wrong usage, with the place, if one is invalid."""
    from prunella_operator.reporting.changed_policies import parse_policies

    try:
        return parse_policies(_read(file), str(file))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}") from error


def _read_history(invocation: Invocation, since: str, namespace: str | None) -> "tuple[RecordedIncident, ...]":
    from prunella_operator.reporting.recorded_histories import opened_since

    found = invocation.tools.recorded(invocation.settings, opened_since(parse_since(since, clock.now())))
    return tuple(incident for incident in found if namespace in (None, incident.incident.namespace))


def _print(result: "Replay") -> None:
    for change in result.changes:
        console().print(safe("\n".join(_lines(change))), soft_wrap=True)
    skipped = f"; {result.skipped} without facts were skipped" if result.skipped else ""
    total = f"{result.decisions} decisions of {result.incidents} incidents"
    console().print(f"{len(result.changes)} of {total} differ{skipped}", soft_wrap=True)


def _lines(change: "Change") -> Iterator[str]:
    yield f"{change.incident}, diagnosis {change.number}:"
    yield f"  was {change.before}"
    yield f"  now {change.after}"
    yield from (f"    {field}" for field in change.fields[:_MAX_FIELDS])
    if len(change.fields) > _MAX_FIELDS:
        yield f"    and {len(change.fields) - _MAX_FIELDS} more"
