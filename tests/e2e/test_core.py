"""The core of the suite on a version of Kubernetes of choice: ten faults, seen and healed by the quickstart's pods.

`make e2e KUBERNETES=1.36` plays it. The whole suite is played on the usual version alone.
"""

import pytest
from support.cases.inspection import template, with_cases
from support.documented_commands import typed
from support.image import QUICKSTART
from support.installation import ACCOUNTS, own_cluster, quickstart

pytestmark = [pytest.mark.core, pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

BINDINGS = "prunella rbac --cluster | kubectl"
HEALED = ("oom-killed", "stateful-release", "daemon-release")
ROLLED_BACK = ("bad-release", "image-pull", "config-error", "rollout-stuck", "init-crash")
LEFT_ALONE = ("first-release", "dependency-down")


@pytest.fixture(scope="module")
def installation(cluster, tmp_path_factory):
    """The quickstart, ready; it is removed afterwards."""
    instance, folder = own_cluster(cluster, QUICKSTART), tmp_path_factory.mktemp("core")
    overlay = quickstart(cluster, instance, folder, known_good_after=3)
    try:
        overlay.type_section("Quickstart")
        overlay.ready()
        typed(f"{BINDINGS} apply -f -", cluster.kubeconfig, {})
        yield overlay
    finally:
        typed(f"{BINDINGS} delete --ignore-not-found -f -", cluster.kubeconfig, {})
        overlay.remove()
        cluster.api.delete("/api/v1/persistentvolumes/prunella-quickstart")


@pytest.fixture(scope="module")
def runner(installation, play):
    """The ten cases, run."""
    with play(installation, tuple(ACCOUNTS.values())) as made:
        yield made


@with_cases(*HEALED, *ROLLED_BACK, *LEFT_ALONE)
def test_it_ends_as_it_should_and_only_what_heals_is_written(case_run):
    status, case = case_run.closed()["status"], case_run.case
    assert case.ends_as(status["phase"], status["reason"]), f"{status['reason']}: {status['message']}"
    assert status.get("rootCause", "") == case.cause
    case_run.assert_written(case.writes)


@with_cases(*ROLLED_BACK)
def test_the_last_good_template_is_back(case_run):
    case_run.closed()
    assert template(case_run.live()) == template(case_run.first)


@with_cases(*LEFT_ALONE)
def test_the_workload_is_as_its_owner_left_it(case_run):
    case_run.closed()
    assert case_run.live()["spec"] == case_run.broken["spec"]


def test_the_doctor_finds_nothing_wrong(installation):
    for part in ("operator", "worker"):
        printed = installation.kubectl("exec", f"deployment/prunella-{part}", "--", "prunella", "doctor")
        assert "FAIL" not in printed
