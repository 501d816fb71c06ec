"""The parameters of detection, read and merged from the policies of the cluster."""

import pytest
from fakes.kube import FakeKube, failing
from temporalio.exceptions import ApplicationError

from prunella_operator.activities.telemetry_policy import PolicyActivitiesImpl, merge_policies
from prunella_operator.kubernetes import paths
from prunella_workflows.model.errors import Forbidden
from prunella_workflows.model.telemetry_policy import DEFAULTS


def policy(name, **telemetry):
    return {"metadata": {"name": name}, "spec": {"telemetry": telemetry}}


def test_without_policies_they_are_the_built_in_ones():
    assert PolicyActivitiesImpl(FakeKube()).read().parameters == DEFAULTS


def test_they_are_those_of_the_cluster():
    kube = FakeKube()
    kube.put(f"{paths.policies()}/strict", policy("strict", threshold=30.0))
    assert PolicyActivitiesImpl(kube).read().parameters.threshold == 30


def test_the_last_policy_that_sets_a_field_wins():
    reading = merge_policies([policy("b", threshold=30.0), policy("a", threshold=25.0, learn="10m")])
    assert (reading.parameters.threshold, reading.parameters.learn, reading.problems) == (30.0, 600.0, ())


def test_an_invalid_policy_is_skipped_and_told():
    reading = merge_policies([policy("a", threshold="x"), policy("b", learn="10m"), {"metadata": {"name": "c"}}])
    assert (reading.parameters.threshold, reading.parameters.learn) == (DEFAULTS.threshold, 600.0)
    assert reading.problems == ("policy a is invalid (spec.telemetry.threshold) and skipped in detection",)


def test_the_mode_of_some_namespaces_is_not_that_of_all():
    assert merge_policies([policy("a", mode="Record")]).parameters.mode == DEFAULTS.mode


def test_a_cluster_that_refuses_is_told_by_name():
    with pytest.raises(ApplicationError, match="no right") as caught:
        PolicyActivitiesImpl(FakeKube(before=failing(Forbidden("no right"), part=paths.policies()))).read()
    assert (caught.value.type, caught.value.non_retryable) == ("Forbidden", True)
