"""The port through which activities notify people."""

from typing import Protocol

from prunella_workflows.contracts.notifications import Link, Message


class Notifier(Protocol):
    """Sends messages to addresses, each of which is a secret. Its errors name neither the address nor the response."""

    def kind(self, url: str) -> str:
        """Return our name of the service behind an address, such as mail or slack.

        Raises:
            InvalidInputError: the address is invalid, or of a service that is not allowed.
        """

    def send(self, url: str, message: Message, links: tuple[Link, ...]) -> None:
        """Send one message, once.

        Raises:
            AuthenticationError: the service refuses our credentials.
            InvalidInputError: the address is invalid, or the service refuses the message.
            Unavailable: the service did not answer, or asked to wait.
        """
