"""`prunella notify test`: send a test message to a channel."""

from functools import partial
from typing import Annotated

import typer

from prunella_operator.cli.arguments import Namespace
from prunella_operator.cli.options import KUBERNETES, Invocation, add_options
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.contracts.notifications import Message, NotifyRequest
from prunella_workflows.model.incident import Severity


@add_options(KUBERNETES)
def send_test(
    invocation: Invocation,
    *,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of the channel's Secret.")],
    namespace: Namespace = None,
) -> None:
    """Send a test message to a channel and print the result. Reads its Secret with your own permissions.

    Example: `prunella notify test team-chat -n shop`
    """
    from prunella_operator.activities.notifications.channels import Messenger  # noqa: PLC0415 - as in main.py
    from prunella_operator.integrations.links import message_links  # noqa: PLC0415
    from prunella_operator.integrations.notifiers.apprise_notifier import AppriseNotifier  # noqa: PLC0415
    from prunella_operator.kubernetes.sync_client import SyncClient  # noqa: PLC0415

    api = SyncClient.connect(invocation.settings)
    address = f"{namespace or api.namespace}/{channel}"
    messenger = Messenger(api, AppriseNotifier(), partial(message_links, invocation.settings))
    delivery = messenger.notify(NotifyRequest(channel=address, message=_message(address), key="test"))
    console().print(safe(f"{address}: {delivery.kind} accepted the message; check that it arrived"), soft_wrap=True)


def _message(address: str) -> Message:
    return Message(
        thread=f"test-{address}",
        severity=Severity.LOW,
        title="test message from Prunella",
        where=f"channel {address}",
        what="Someone ran `prunella notify test`. Nothing is wrong.",
        next_step="Nothing, if you can read this.",
    )
