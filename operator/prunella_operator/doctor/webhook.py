"""Doctor check of the alert webhook's settings. Sends nothing."""

from pathlib import Path

from prunella_operator.alerts.server import exposure, tls_context
from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check, check_not_world_readable
from prunella_operator.http_server import CannotListen

_NAME = "Webhook"


def check_webhook(settings: Settings) -> Check:
    """Check port, tokens and certificates, and report who can send alerts."""
    if settings.webhook_port == 0:
        return Check(_NAME, passed=True, message="webhook_port is 0: alerts are not accepted")
    used = (settings.http_port, settings.console_port, settings.temporal_port, settings.temporal_ui_port)
    if settings.webhook_port in used:
        message = f"webhook_port {settings.webhook_port} is already used by another of our ports"
        return Check(_NAME, passed=False, message=message, fix="choose another port: --set webhook_port=9095")
    return _check_tokens(settings) or _check_certificates(settings) or _check_exposure(settings)


def _check_tokens(settings: Settings) -> Check | None:
    """The problem with the token file, if any."""
    if not settings.webhook_token_file:
        return None
    path = Path(settings.webhook_token_file)
    if problem := TokenFile(path).problem():
        fix = "write tokens into it, one per line: openssl rand -hex 32 > FILE"
        return Check(_NAME, passed=False, message=problem, fix=fix)
    return check_not_world_readable(_NAME, path, "the token file ")


def _check_certificates(settings: Settings) -> Check | None:
    """The problem with the certificates, if any."""
    if not (settings.webhook_tls_cert or settings.webhook_tls_key or settings.webhook_client_ca):
        return None
    try:
        tls_context(settings)
    except CannotListen as error:
        fix = "set webhook_tls_cert and webhook_tls_key to a matching pair of PEM files, webhook_client_ca to a CA's"
        return Check(_NAME, passed=False, message=str(error), fix=fix)
    return None


def _check_exposure(settings: Settings) -> Check:
    """Address and authentication. Loopback only is fine unless `webhook_host` asks for more."""
    where = exposure(settings)
    if where.warning and "webhook_host" not in settings.model_fields_set:
        message = "accepts alerts only from this machine, because no token is set; see docs/alerts.md"
        return Check(_NAME, passed=True, message=message)
    if where.warning:
        fix = "set a token: --set webhook_token_file=FILE; see docs/alerts.md"
        return Check(_NAME, passed=False, message=where.warning, fix=fix)
    credentials = {"a token": settings.webhook_token_file, "a client certificate": settings.webhook_client_ca}
    required = " and ".join(name for name, value in credentials.items() if value) or "no credentials"
    scheme = "https" if settings.webhook_tls_cert else "http"
    return Check(_NAME, passed=True, message=f"{scheme}://{where.host}:{settings.webhook_port} requires {required}")
