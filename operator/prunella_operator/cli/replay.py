"""`prunella replay`: recorded decisions made again."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator.cli.export import read_since
from prunella_operator.cli.exported_files import read_exported, read_text, write_text
from prunella_operator.cli.options import CONNECTION, ExitCode, Invocation, add_options
from prunella_operator.cli.output import Output, document, print_document
from prunella_operator.json_text import InvalidFile
from prunella_operator.presentation.terminal import console, safe

if TYPE_CHECKING:
    from prunella_operator.reporting.changed_policies import ChangedPolicies
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
def replay(
    invocation: Invocation,
    *,
    paths: Paths = None,
    since: Since = None,
    namespace: OneNamespace = None,
    policy: Policy = None,
    update: Update = False,
    output: Output = None,
) -> None:
    """Make recorded decisions again, and show which ones differ. Needs no cluster; exit code 3 if any differs.

    The decisions come from exported incidents, or with `--since` from Temporal. With `--policy` it shows the incidents
    that would go another way by that policy than by the recorded ones, each with the reason.

    Examples: `prunella replay tests/decisions`, `prunella replay --since 30d -n shop --policy new.yaml`
    """
    from prunella_operator.reporting.recorded_incident import parse_recorded
    from prunella_operator.reporting.replay import decide_again, replay_with
    from prunella_operator.reporting.replay import replay as make_again

    if bool(paths) == bool(since) or (update and (policy or not paths)):
        raise typer.BadParameter("name exported incidents or folders of them, or pass --since; --update is for files")
    files = dict(read_exported(paths or [], parse_recorded))
    incidents = tuple(files.values()) if paths else read_since(invocation, since or "", namespace)
    result = replay_with(incidents, read_policies(policy).apply) if policy else make_again(incidents)
    if output:
        print_document(document("Replay", **asdict(result)), output)
    else:
        _print(result)
    if update:
        for path, incident in files.items():
            write_text(path, decide_again(incident).to_json())
    raise typer.Exit(ExitCode.NO if result.changes and not (update or policy) else ExitCode.DONE)


def read_policies(file: Path) -> "ChangedPolicies":
    """Read a file of policies. Wrong usage, with the place, if one is invalid."""
    from prunella_operator.reporting.changed_policies import parse_policies

    try:
        return parse_policies(read_text(file), str(file))
    except InvalidFile as error:
        raise typer.BadParameter(str(error)) from error


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
