"""The parameters of detection, merged from the policies of the cluster."""

from prunella_operator.telemetry.policy import merge_policies
from prunella_workflows.model.telemetry_policy import DEFAULTS


def policy(name, **telemetry):
    return {"metadata": {"name": name}, "spec": {"telemetry": telemetry}}


def test_without_policies_they_are_the_built_in_ones():
    assert merge_policies([]) == DEFAULTS


def test_the_last_policy_that_sets_a_field_wins_and_an_invalid_one_is_skipped():
    found = merge_policies(
        [policy("b", threshold=30.0), policy("a", threshold=25.0, learn="10m"), policy("c", threshold="x")]
    )
    assert (found.threshold, found.learn) == (30.0, 600.0)


def test_the_mode_of_some_namespaces_is_not_that_of_all():
    assert merge_policies([policy("a", mode="Record")]).mode == DEFAULTS.mode
