"""`prunella incidents export`: decisions with their facts, and the statements about their writes, as files."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator import clock
from prunella_operator.cli.arguments import Namespace, complete_name, parse_since
from prunella_operator.cli.exported_files import read_text, write_text
from prunella_operator.cli.options import CONNECTION, Invocation, add_options
from prunella_operator.cli.output import Progress, quiet
from prunella_operator.json_text import InvalidFile
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import NotFound

if TYPE_CHECKING:
    from prunella_operator.reporting.proof.signing import Sign
    from prunella_operator.reporting.recorded_incident import RecordedIncident


OneName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Name of the incident.", autocompletion=complete_name)
]
Since = Annotated[
    str | None, typer.Option(metavar="SPAN|DATE", help="Instead: all that Temporal has since: 30d, 2026-11-01.")
]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", file_okay=False, help="With --since: the folder for their files.")
]


@add_options(CONNECTION)
def export(
    invocation: Invocation, *, name: OneName = None, namespace: Namespace = None, since: Since = None, to: Folder = None
) -> None:
    """Export incidents as JSON, without secrets: facts, policies and decision of each diagnosis, and the writes.

    One is printed. With `--since` and `--to` all that Temporal has are written to `DIR/NAMESPACE/NAME-UID.json`, those
    of all namespaces without `-n`. A file that is there is replaced only by a later export of the same incident; if
    there is another one, nothing is written. Each file is written whole or not at all.

    With `PRUNELLA_SIGNING_KEY_FILE` the statements about their writes are signed, for `prunella verify`.

    Examples: `prunella incidents export checkout-oom-1 -n shop > checkout-oom-1.json`,
    `prunella incidents export --since 30d --to exported`
    """
    if bool(name) == bool(since) or bool(since) != bool(to):
        raise typer.BadParameter("name one incident, or pass both --since and --to")
    sign = _read_signing_key(invocation.settings.signing_key_file)
    if name is not None:
        sys.stdout.write(_sealed(_read_one(invocation, name, namespace), sign).to_json())
    elif since is not None and to is not None:
        _export_all(to, [_sealed(one, sign) for one in read_since(invocation, since, namespace)])


def read_since(invocation: Invocation, since: str, namespace: str | None) -> "tuple[RecordedIncident, ...]":
    """The incidents that Temporal has since a time, of one namespace or of all; says on stderr how far it is."""
    from prunella_operator.reporting.recorded_histories import opened_since

    start = parse_since(since, clock.now())
    found = invocation.tools.recorded(invocation.settings, opened_since(start), Progress("incidents"))
    return tuple(incident for incident in found if namespace in (None, incident.incident.namespace))


def _read_one(invocation: Invocation, name: str, namespace: str | None) -> "RecordedIncident":
    from prunella_operator.reporting.recorded_histories import of_incident

    reader = invocation.reader()
    incident = reader.get(namespace or reader.namespace, name)
    found = invocation.tools.recorded(invocation.settings, of_incident(incident.metadata.uid), quiet)
    if not found:
        raise NotFound(f"Temporal has no workflow of incident {name}: it has not begun, or its retention is over")
    return found[-1]


def _sealed(recorded: "RecordedIncident", sign: "Sign | None") -> "RecordedIncident":
    from prunella_operator.reporting.proof.statement import seal

    return recorded.model_copy(update={"statements": seal(recorded.statements, sign)}) if sign is not None else recorded


def _read_signing_key(path: str | None) -> "Sign | None":
    from prunella_operator.reporting.proof.signing import read_private_key

    try:
        return read_private_key(path) if path is not None else None
    except InvalidFile as error:
        raise typer.BadParameter(f"signing_key_file: {error}") from error


def _export_all(folder: Path, incidents: "Iterable[RecordedIncident]") -> None:
    """Check every file before the first one is written."""
    files = {_file(folder, incident): incident for incident in incidents}
    for file, incident in files.items():
        _require_own(file, incident)
    progress = Progress("files")
    for number, (file, incident) in enumerate(files.items(), start=1):
        write_text(file, incident.to_json())
        progress(number, len(files))
    console().print(safe(f"{len(files)} incidents exported to {folder}"), soft_wrap=True)


def _file(folder: Path, incident: "RecordedIncident") -> Path:
    """The file of an incident: names are used again once an incident is deleted, uids never."""
    ref = incident.incident
    return folder / ref.namespace / f"{ref.name}-{ref.uid}.json"


def _require_own(file: Path, incident: "RecordedIncident") -> None:
    from prunella_operator.reporting.recorded_incident import parse_recorded

    if not file.exists():
        return
    try:
        is_own = parse_recorded(read_text(file), str(file)).incident == incident.incident
    except InvalidFile as error:
        raise typer.BadParameter(f"{error}; it would be overwritten, so nothing was written") from error
    if not is_own:
        raise typer.BadParameter(f"{file}: this is another incident than {incident}; nothing was written")
