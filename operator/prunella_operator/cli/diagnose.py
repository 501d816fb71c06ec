"""`prunella diagnose`: what is wrong in a dump of a cluster, and what Prunella would do, without an installation."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator.cli.options import ASSIGNMENTS, Invocation, add_options
from prunella_operator.cli.output import document, print_document
from prunella_operator.cli.replay import read_policies
from prunella_operator.json_text import InvalidFile
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.redaction import redact_texts

if TYPE_CHECKING:
    from prunella_operator.reporting.dump_diagnosis import DumpDiagnosis
    from prunella_operator.reporting.dumped_workload import DumpedFault
    from prunella_workflows.contracts.healing import DiagnoseReport

_FACTS = ("Decided by", "Pod", "Usage", "Log", "Event")
"""The sources of evidence that are shown without `wide`."""


class Output(StrEnum):
    """The format of a diagnosis."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


From = Annotated[
    Path,
    typer.Option("--from", metavar="DIR", exists=True, file_okay=False, help="Folder of files that kubectl wrote."),
]
OneNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one; default: all.")]
Workload = Annotated[
    str | None, typer.Option(metavar="[KIND/]NAME", help="Only this workload, such as Deployment/web or web.")
]
Policy = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Policies (YAML) to decide by; default: the built-in.")
]
OutputFormat = Annotated[
    Output, typer.Option("--output", "-o", help="`wide` adds guards, causes that were ruled out, and the diff.")
]


@add_options(ASSIGNMENTS)
def diagnose(
    invocation: Invocation,
    *,
    folder: From,
    namespace: OneNamespace = None,
    workload: Workload = None,
    policy: Policy = None,
    output: OutputFormat = Output.TEXT,
) -> None:
    """Diagnose a dump of a cluster: for each failing workload cause, confidence, evidence, and what Prunella would do.

    Needs no installation and no cluster, and sends nothing. The folder has what `kubectl get -o json` writes, in any
    files, or `kubectl cluster-info dump --output-directory DIR -A`; logs are NAMESPACE/POD/CONTAINER.log. What it lacks
    is named: nothing is guessed.

    Example: `prunella diagnose --from dump -n shop -o wide`
    """
    result = _diagnose(invocation, folder, policy, namespace, workload)
    value = redact_texts(result.to_object())
    if output in {Output.JSON, Output.YAML}:
        print_document(document("Diagnosis", **value), output)
    else:
        _print(type(result).model_validate(value), wide=output is Output.WIDE)


def _diagnose(
    invocation: Invocation, folder: Path, policy: Path | None, namespace: str | None, workload: str | None
) -> "DumpDiagnosis":
    """All is read and judged before anything is printed. Wrong usage, with the place, if something cannot be read."""
    from prunella_operator.kubernetes.dump.files import read_dump
    from prunella_operator.reporting.dump_diagnosis import DumpDiagnoser, Selection

    policies, wanted = read_policies(policy).policies if policy else (), Selection(namespace, workload)
    try:
        result = DumpDiagnoser(read_dump(folder), invocation.settings, policies).diagnose(wanted)
    except InvalidFile as error:
        raise typer.BadParameter(str(error)) from error
    if not result.workloads and not result.faults and (namespace or workload):
        names = " in ".join(filter(None, (workload and f"workload {workload}", namespace and f"namespace {namespace}")))
        raise typer.BadParameter(f"{folder}: there is no {names}")
    return result


def _print(result: "DumpDiagnosis", *, wide: bool) -> None:
    for fault in result.faults:
        console().print(safe("\n".join(_lines(fault, wide=wide))), soft_wrap=True)
    console().print(safe(_summary(result)), soft_wrap=True)


def _summary(result: "DumpDiagnosis") -> str:
    from prunella_operator.reporting.dumped_workload import State

    left = result.count(State.NOT_JUDGED)
    unjudged = f", {left} {'is' if left == 1 else 'are'} not judged" if left else ""
    failing = f"{result.count(State.FAILING)} of {result.workloads} workloads fail{unjudged}"
    return f"{failing}. Time of the dump: {result.at:%Y-%m-%d %H:%M:%S} UTC."


def _lines(fault: "DumpedFault", *, wide: bool) -> Iterator[str]:
    """One paragraph for a failing workload, one line for any other."""
    from prunella_operator.reporting.dumped_workload import State

    name, report = f"{fault.namespace}/{fault.workload}", fault.report
    if report is None:
        words = {State.WATCHING: "is not failing yet", State.RECOVERED: "has recovered", State.NOT_JUDGED: "not judged"}
        yield f"{name} {words[fault.state]}: {fault.message}"
        yield ""
        return
    yield f"{name}: {report.diagnosis.cause}, confidence {report.diagnosis.confidence:.0%}"
    yield from (f"  {line}" for line in _paragraph(fault, report, wide=wide))
    yield ""


def _paragraph(fault: "DumpedFault", report: "DiagnoseReport", *, wide: bool) -> Iterator[str]:
    from prunella_operator.reporting.replay import next_move

    yield report.diagnosis.message
    yield f"Prunella would: {next_move(report)}"
    if report.plan.next_step:
        yield f"Next step: {report.plan.next_step}"
    notes = (note for note in report.evidence if wide or note.source.startswith(_FACTS))
    yield from _section("Evidence", (f"{note.source}: {note.message}" for note in notes))
    yield from _section("Not judged", fault.lacks)
    if wide:
        held = (f"{guard.name}: {guard.message or guard.reason}" for guard in report.guards if guard.held)
        yield from _section("Blocked by", held)
        yield from _section("Diff", report.diff.splitlines())


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines under a title, if there are any."""
    found = [f"  {line}" for line in lines]
    if found:
        yield f"{title}:"
        yield from found
