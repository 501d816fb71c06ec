"""The configured metrics source."""

from prunella_operator.config.settings import Settings
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_operator.metrics.prometheus import Prometheus


def create_source(settings: Settings) -> MetricsSource:
    """Create the PromQL source; without a configured Prometheus, one that has no data. Nothing is sent yet."""
    if settings.prometheus_url is None:
        return NotConfigured()
    return Prometheus(
        settings.prometheus_url,
        settings.prometheus_timeout,
        token_file=settings.prometheus_token_file,
        ca_file=settings.prometheus_ca_file,
    )
