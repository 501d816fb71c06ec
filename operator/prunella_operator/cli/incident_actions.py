"""`prunella incidents approve|reject|ack|cancel|suspend|resume`: act on an incident."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from prunella_operator.cli.arguments import Name, Namespace
from prunella_operator.cli.options import KUBERNETES, Invocation, add_options
from prunella_operator.console.actions import ACTIONS
from prunella_operator.presentation.terminal import console, safe

Reason = Annotated[str, typer.Option("--reason", "-r", help="Recorded in the incident.")]


@dataclass(frozen=True)
class ActionCommand:
    """The command of one action. With an example `reason` it takes `--reason`; `result` is printed after the name."""

    name: str
    summary: str
    result: str
    reason: str = ""

    @property
    def help(self) -> str:
        """The help text, with an example."""
        reason = f' --reason "{self.reason}"' if self.reason else ""
        return f"{self.summary}\n\nExample: `prunella incidents {self.name} checkout-oom-1 -n shop{reason}`"


COMMANDS = (
    ActionCommand(
        "approve", "Approve a waiting repair, in your name.", "approved: the repair proceeds", "256Mi is fine"
    ),
    ActionCommand(
        "reject",
        "Reject a repair, in your name; the incident is escalated.",
        "rejected: nothing is changed, the incident is escalated",
        "it leaks, we fix the code",
    ),
    ActionCommand(
        "ack",
        "Acknowledge an escalated incident, in your name; stops further escalation.",
        "acknowledged: no further escalation",
    ),
    ActionCommand(
        "cancel",
        "Cancel an incident; a repair in progress is undone first. If it is escalated, stop the escalation.",
        "will be cancelled",
    ),
    ActionCommand("suspend", "Suspend an incident before its next step.", "will be suspended before its next step"),
    ActionCommand("resume", "Resume a suspended incident.", "resumed"),
)


def register(app: typer.Typer) -> None:
    """Add a command for each action."""
    for command in COMMANDS:
        app.command(command.name, help=command.help)(_build(command))


def _build(command: ActionCommand) -> Callable[..., None]:
    def act(invocation: Invocation, *, name: Name, namespace: Namespace = None, reason: Reason = "") -> None:
        reader = invocation.reader()
        where = namespace or reader.namespace
        ACTIONS[command.name](reader, where, name, reason)
        console().print(safe(f"{where}/{name} {command.result}"), soft_wrap=True)

    def act_without_reason(invocation: Invocation, *, name: Name, namespace: Namespace = None) -> None:
        act(invocation, name=name, namespace=namespace)

    return add_options(KUBERNETES)(act if command.reason else act_without_reason)
