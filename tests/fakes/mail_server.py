"""A mail server on loopback that keeps its messages; it may ask for a password, or refuse."""

import socket
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class MailServer:
    """Use it as a context manager. `refuse` is the answer to every message, such as "550 no such user"."""

    def __init__(self, password=None):
        self.password = password
        self.refuse = ""
        self.mails = []

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        options = {} if self.password is None else {"authenticator": self._check, "auth_require_tls": False}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()

    def _check(self, _server, _session, _envelope, _mechanism, given):
        return AuthResult(success=given.password.decode() == self.password, handled=False)

    async def handle_MAIL(self, _server, session, envelope, address, _options):  # noqa: N802 - the library's name
        if self.password is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the library's name
        if self.refuse:
            return self.refuse
        self.mails.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"
