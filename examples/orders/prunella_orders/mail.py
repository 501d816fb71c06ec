"""Mails to customers over SMTP."""

import smtplib
from email.message import EmailMessage

from prunella_orders.errors import ServiceRefused
from prunella_orders.model import Letter, Mail
from prunella_orders.settings import Settings
from prunella_workflows.model.errors import Unavailable

_TIMEOUT_SECONDS = 5.0
_PERMANENT = 500
_TEXTS = {
    Letter.CONFIRMED: "Thank you. We have your payment of {total:.2f}, and send your order soon.",
    Letter.REVERSED: "Your order is not sent. You pay nothing: {total:.2f} comes back if it was taken.",
}


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Write the message. Its id is the same each time, so that a mailbox can drop a repeated one."""
    order, message = mail.order, EmailMessage()
    message["From"], message["To"] = sender, order.email
    message["Subject"] = f"Your order {order.id}"
    message["Message-ID"] = f"<{order.id}.{mail.letter}@{sender.partition('@')[2]}>"
    message.set_content(_TEXTS[mail.letter].format(total=order.total_cents / 100))
    return message


def send(message: EmailMessage, settings: Settings) -> None:
    """Hand a message to the mail server; blocks.

    Raises:
        Unavailable: the server is away, or asks to try later.
        ServiceRefused: it refuses the message.
    """
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_SECONDS) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(*next(iter(error.recipients.values()))) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except OSError as error:
        raise Unavailable(f"mail: {error}") from error


def _refused(code: int, reason: bytes | str) -> Exception:
    kind = ServiceRefused if code >= _PERMANENT else Unavailable
    return kind(f"mail: {code} {reason!r}")
