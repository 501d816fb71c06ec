"""`prunella notify test`: does a channel work?"""

from functools import partial
from typing import Annotated

import typer

from prunella_operator.cli.arguments import Namespace
from prunella_operator.cli.options import Context, Kubeconfig, flags, load
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.contracts.notifications import Message, NotifyRequest
from prunella_workflows.model.incident import Severity


def try_channel(
    *,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of the channel's Secret.")],
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Send a test message to a channel, with your own rights to read its Secret, and say what happened.

    Example: `prunella notify test team-chat -n shop`
    """
    from prunella_operator.activities.notifications.channels import Messenger  # noqa: PLC0415 - as in cli.py
    from prunella_operator.integrations.links import message_links  # noqa: PLC0415
    from prunella_operator.integrations.notifiers.apprise_notifier import AppriseNotifier  # noqa: PLC0415
    from prunella_operator.kubernetes.sync_client import SyncClient  # noqa: PLC0415

    settings = load(flags(kubeconfig=kubeconfig, context=context))
    api = SyncClient.connect(settings)
    address = f"{namespace or api.namespace}/{channel}"
    messenger = Messenger(api, AppriseNotifier(), partial(message_links, settings))
    told = messenger.notify(NotifyRequest(channel=address, message=_message(address), key="test"))
    console().print(safe(f"{address}: {told.kind} took the message; see whether it is there"), soft_wrap=True)


def _message(address: str) -> Message:
    return Message(
        thread=f"test-{address}",
        severity=Severity.LOW,
        title="a test message of Prunella",
        where=f"channel {address}",
        what="Somebody ran `prunella notify test`. Nothing is wrong.",
        next_step="Nothing, if you can read this.",
    )
