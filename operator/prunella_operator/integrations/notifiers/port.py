"""The port through which activities notify people."""

from typing import Protocol

from prunella_workflows.contracts.notifications import Link, Message


class Notifier(Protocol):
    """Sends messages to addresses, each of which is a secret. Its errors name neither the address nor the response."""

    def kind(self, url: str) -> str:
        """Return our name of the service, such as mail or slack. Raises InvalidInputError if it is not allowed."""

    def send(self, url: str, message: Message, links: tuple[Link, ...]) -> None:
        """Send one message, once. Raises AuthenticationError if the service refuses our credentials, InvalidInputError
        if it refuses the address or the message, Unavailable if it did not answer or asked to wait.
        """
