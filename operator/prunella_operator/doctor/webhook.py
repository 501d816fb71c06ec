"""`prunella doctor`: whether alerts could come in as the settings are. Nothing is sent."""

from pathlib import Path

from prunella_operator.alerts.server import CannotListen, exposure, tls_context
from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check

_NAME = "Webhook"
_READABLE_BY_ALL = 0o004


def check_webhook(settings: Settings) -> Check:
    """Whether port, tokens and certificates make sense, and who could get in."""
    if settings.webhook_port == 0:
        return Check(_NAME, passed=True, what="webhook_port is 0: alerts are not taken")
    taken = (settings.http_port, settings.console_port, settings.temporal_port, settings.temporal_ui_port)
    if settings.webhook_port in taken:
        what = f"webhook_port {settings.webhook_port} is also another port of ours"
        return Check(_NAME, passed=False, what=what, todo="give it a port of its own: --set webhook_port=9095")
    return _tokens(settings) or _certificates(settings) or _served(settings)


def _tokens(settings: Settings) -> Check | None:
    """What is wrong with the token file, if anything is."""
    if not settings.webhook_token_file:
        return None
    path = Path(settings.webhook_token_file)
    if problem := TokenFile(path).problem():
        todo = "write tokens into it, one a line: openssl rand -hex 32 > FILE"
        return Check(_NAME, passed=False, what=problem, todo=todo)
    if path.stat().st_mode & _READABLE_BY_ALL:
        what = f"everybody on this machine can read the token file {path}"
        return Check(_NAME, passed=False, what=what, todo=f"chmod o-r {path}; of a Secret: set defaultMode 0440")
    return None


def _certificates(settings: Settings) -> Check | None:
    """What is wrong with the certificates, if anything is."""
    if not (settings.webhook_tls_cert or settings.webhook_tls_key or settings.webhook_client_ca):
        return None
    try:
        tls_context(settings)
    except CannotListen as error:
        todo = "set webhook_tls_cert and webhook_tls_key to PEM files that fit, webhook_client_ca to that of a CA"
        return Check(_NAME, passed=False, what=str(error), todo=todo)
    return None


def _served(settings: Settings) -> Check:
    """Where it is served, and to whom. Who asked for neither a token nor an address may want no alerts of others."""
    where = exposure(settings)
    if where.warning and "webhook_host" not in settings.model_fields_set:
        what = "alerts are taken from this machine only, as there is no token for others; see docs/alerts.md"
        return Check(_NAME, passed=True, what=what)
    if where.warning:
        todo = "give it a token: --set webhook_token_file=FILE; see docs/alerts.md"
        return Check(_NAME, passed=False, what=where.warning, todo=todo)
    guards = {
        "a token": settings.webhook_token_file,
        "a client certificate": settings.webhook_client_ca,
    }
    needed = " and ".join(name for name, value in guards.items() if value) or "nothing"
    scheme = "https" if settings.webhook_tls_cert else "http"
    return Check(_NAME, passed=True, what=f"{scheme}://{where.host}:{settings.webhook_port} asks for {needed}")
