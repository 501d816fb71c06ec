"""Every process says which build it is."""

import platform
from importlib.metadata import version

from prometheus_client import REGISTRY

from prunella_operator.observability import metrics


def test_the_build_is_the_installed_one():
    labels = {"version": version("prunella"), "python": platform.python_version()}
    assert REGISTRY.get_sample_value(metrics.BUILD._name, labels) == 1
    assert metrics.BUILD._name == "prunella_build_info"
