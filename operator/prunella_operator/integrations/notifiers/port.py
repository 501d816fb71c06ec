"""What the activities know of a way to reach people."""

from typing import Protocol

from prunella_workflows.contracts.notifications import Link, Message


class Notifier(Protocol):
    """Sends messages to addresses, each of which is a secret. Its errors name neither address nor answer."""

    def kind(self, url: str) -> str:
        """Our name of the service behind an address, such as mail or slack.

        Raises:
            InvalidInputError: the address makes no sense, or is of a service that is not allowed.
        """

    def send(self, url: str, message: Message, links: tuple[Link, ...]) -> None:
        """Send one message, once.

        Raises:
            AuthenticationError: the service refuses our credentials.
            InvalidInputError: the address makes no sense, or the service refuses the message.
            Unavailable: the service did not answer, or asked to wait.
        """
