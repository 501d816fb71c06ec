"""Mails over SMTP: to customers, and to the person who approves orders."""

import smtplib
from email.message import EmailMessage

from prunella_orders.errors import ServiceRefused
from prunella_orders.model import Letter, Mail, Report
from prunella_orders.settings import Settings
from prunella_workflows.contracts.notifications import NotifyRequest
from prunella_workflows.model.errors import Unavailable

_TIMEOUT_SECONDS = 5.0
_PERMANENT = 500
_TEXTS = {
    Letter.CONFIRMED: "Thank you. We have your payment of {total:.2f}, and send your order soon.",
    Letter.REVERSED: "Your order is not sent. You pay nothing: {total:.2f} comes back if it was taken.",
}


def compose(settings: Settings, to: str, subject: str, text: str, key: str) -> EmailMessage:
    """Write a message. A repeated one has the same key, so that a mailbox can drop it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, to, subject
    message["Message-ID"] = f"<{key}@{settings.mail_from.partition('@')[2]}>"
    message.set_content(text)
    return message


def letter(mail: Mail, settings: Settings) -> EmailMessage:
    """A mail to a customer."""
    order = mail.order
    text = _TEXTS[mail.letter].format(total=order.total_cents / 100)
    return compose(settings, order.email, f"Your order {order.id}", text, f"{order.id}.{mail.letter}")


def question(request: NotifyRequest, settings: Settings) -> EmailMessage:
    """The question whether an order is approved."""
    message = request.message
    text = f"{message.what}\n\n{message.next_step}"
    return compose(settings, settings.approver_email, message.title, text, request.key)


def report(report: Report, settings: Settings) -> EmailMessage:
    """The report of a day."""
    text = "\n".join(f"{name}: {value}" for name, value in report.model_dump().items())
    return compose(settings, settings.approver_email, f"Orders of {report.day}", text, f"report.{report.day}")


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
