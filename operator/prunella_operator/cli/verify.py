"""`prunella verify`: the statements of exported incidents against the API server's audit log."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator.cli.exported_files import read_exported
from prunella_operator.cli.options import ExitCode
from prunella_operator.cli.output import Output, document, print_document
from prunella_operator.json_text import InvalidFile
from prunella_operator.presentation.terminal import console, safe

if TYPE_CHECKING:
    from prunella_operator.reporting.proof.finding import Proof, Span
    from prunella_operator.reporting.proof.signing import Check

_TIME = "%Y-%m-%d %H:%M:%S"

Exports = Annotated[
    list[Path], typer.Argument(metavar="EXPORT...", help="Exported incidents, or folders of them.", exists=True)
]
AuditLogs = Annotated[
    list[Path],
    typer.Option("--audit-log", exists=True, dir_okay=False, help="The log (JSON lines); repeat it for rotated files."),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option("--user", metavar="NAME", help="User names of Prunella; default: its accounts in prunella-system."),
]
OneNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Only writes in this one.")]
Key = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="PEM file with the Ed25519 public key of the exports.")
]


def verify(
    exports: Exports,
    *,
    audit_log: AuditLogs,
    user: Accounts = None,
    namespace: OneNamespace = None,
    key: Key = None,
    output: Output = None,
) -> None:
    """Verify that each write of Prunella has a statement in the exported incidents, and each statement its write.

    Needs no cluster. Exit code 0 if all agrees, 3 if something does not, 2 if a file cannot be read or has gaps.

    Example: `prunella verify --audit-log audit.log --key proof.pub exported`
    """
    from prunella_operator.reporting.proof.exports import parse_export
    from prunella_operator.reporting.proof.verification import ACCOUNTS
    from prunella_operator.reporting.proof.verification import verify as verify_exports

    parsed = [export for _, export in read_exported(exports, parse_export)]
    try:
        proof = verify_exports(parsed, audit_log, accounts=user or ACCOUNTS, namespace=namespace, check=_read_key(key))
    except InvalidFile as error:
        raise typer.BadParameter(str(error)) from error
    if output:
        print_document(document("Proof", **asdict(proof)), output)
    else:
        console().print(safe("\n".join(_lines(proof))), soft_wrap=True)
    raise typer.Exit(ExitCode.NO if proof.findings else ExitCode.DONE)


def _read_key(path: Path | None) -> "Check | None":
    from prunella_operator.reporting.proof.signing import read_public_key

    return read_public_key(str(path)) if path is not None else None


def _words(span: "Span") -> str:
    return f"{span[0].astimezone(UTC):{_TIME}} to {span[1].astimezone(UTC):{_TIME}} UTC"


def _lines(proof: "Proof") -> Iterator[str]:
    yield from (f"{finding.place}: {finding.kind}: {finding.message}" for finding in proof.findings)
    yield from (f"{note.place}: not checked: {note.message}" for note in proof.unchecked)
    yield f"audit log: {_words(proof.log_span)}"
    if proof.stated_span is not None:
        yield f"statements: {_words(proof.stated_span)}"
    result = f"{len(proof.findings)} disagree" if proof.findings else "all agree"
    yield f"{proof.statements} statements, {proof.writes} writes in {proof.events} events: {result}"
