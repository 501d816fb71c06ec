"""The way of an alert: rules in Prometheus, and Alertmanager's route to Prunella."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster import alertmanager, monitoring
from localcluster.instance import Instance

from prunella_operator.alerts.webhook import PATH
from prunella_operator.config.settings import Settings

RULES = Path(__file__).resolve().parents[3] / "examples" / "orders" / "manifests" / "rules.yaml"


@dataclass(frozen=True)
class Alerts:
    """The monitoring of a local cluster, and a file with the webhook's token."""

    instance: Instance
    token: Path

    def settings(self, base: Settings) -> Settings:
        """Prunella's settings with the webhook at this machine's address, and the addresses of the servers."""
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        return base.model_copy(
            update={
                "prometheus_url": monitoring.url(self.instance, monitoring.PROMETHEUS_PORT),
                "alertmanager_url": monitoring.url(self.instance, monitoring.ALERTMANAGER_PORT),
                "webhook_host": str(self.instance.host_address),
                "webhook_token_file": str(self.token),
            }
        )

    @contextmanager
    def routed(self, settings: Settings) -> Iterator[None]:
        """Add the rules and the route while the block lasts; afterwards alerts go nowhere."""
        here = monitoring.folder(self.instance)
        rules, routing = here / "rules" / "orders.yaml", here / "alertmanager.json"
        url = f"http://{settings.webhook_host}:{settings.webhook_port}{PATH}"
        with ExitStack() as stack:
            stack.callback(monitoring.reload, self.instance)
            stack.callback(routing.write_text, routing.read_text())
            stack.callback(rules.unlink, missing_ok=True)
            rules.write_text(RULES.read_text())
            alertmanager.write_routing(routing, url, self.token)
            monitoring.reload(self.instance)
            yield
