"""Which source the settings name."""

from prunella_operator.config.settings import Settings
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_operator.metrics.prometheus import Prometheus


def connect(settings: Settings) -> MetricsSource:
    """The source that PromQL is asked of; without a Prometheus one that has no answers. Nothing is sent yet."""
    if settings.prometheus_url is None:
        return NotConfigured()
    return Prometheus(
        settings.prometheus_url,
        settings.prometheus_timeout,
        token_file=settings.prometheus_token_file,
        ca_file=settings.prometheus_ca_file,
    )
