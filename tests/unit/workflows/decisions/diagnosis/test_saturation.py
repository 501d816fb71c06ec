"""Usage of containers as a share of their limits and requests, and when it is unknown."""

import pytest
from builders import (
    MI,
    NOW,
    a_container,
    a_deployment,
    a_pod,
    a_spec,
    a_usage,
    ago,
    an_evidence,
)
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.diagnosis.saturation import HIGH, measure, measure_evidence, saturated_resource
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.incident import IncidentType

ONE_CORE = a_deployment(a_container(cpu_limit=1.0))
PODS = tuple(a_pod(f"web-2-{letter}") for letter in "abc")


def cpu(*values, workload=ONE_CORE, pods=PODS, **more):
    return measure("cpu", workload, pods, a_usage(*values, **more), NOW)


def memory(*values, workload=None, pods=PODS, **more):
    return measure("memory", workload or a_deployment(), pods, a_usage(*values, cpu=False, **more), NOW)


@pytest.mark.parametrize(
    ("load", "share", "high"),
    [
        pytest.param(cpu(0.9, 0.8, 0.7), 0.8, True, id="the mean over the pods, at the threshold"),
        pytest.param(cpu(1.0, 1.0, 0.3), 0.767, False, id="two busy pods and an idle one"),
        pytest.param(
            cpu(0.4, 0.4, 0.4, workload=a_deployment(a_container(cpu_request=0.5))), 0.8, True, id="a request alone"
        ),
        pytest.param(
            cpu(0.4, 0.4, 0.4, workload=a_deployment(a_container(cpu_request=0.5, cpu_limit=1.0))),
            0.4,
            False,
            id="the limit counts before the request",
        ),
        pytest.param(cpu(0.9, None, 0.9), 0.9, True, id="two of three pods were measured"),
        pytest.param(memory(32, 32, 58), 0.906, True, id="the fullest pod"),
        pytest.param(memory(32, 32, 57), 0.891, False, id="the fullest pod is not that full"),
    ],
)
def test_share(load, share, high):
    assert load.share == pytest.approx(share, abs=1e-3)
    assert load.high is high


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(measure("cpu", ONE_CORE, PODS, None, NOW), id="not measured"),
        pytest.param(cpu(), id="no container was measured"),
        pytest.param(cpu(0.9, None, None), id="one of three pods says nothing about the others"),
        pytest.param(cpu(0.9, 0.9, 0.9, at=ago(181)), id="that was too long ago"),
        pytest.param(cpu(0.9, 0.9, 0.9, container="proxy"), id="another container"),
        pytest.param(cpu(0.9, 0.9, 0.9, workload=a_deployment()), id="no limit and no request to compare with"),
        pytest.param(cpu(0.9, 0.9, 0.9, pods=()), id="no pods"),
        pytest.param(
            cpu(0.9, pods=(a_pod("web-2-a", ready=False),)), id="only ready pods count: one that starts is always busy"
        ),
        pytest.param(cpu(0.9, pods=(a_pod("web-2-a", deleting=True),)), id="a pod on its way out"),
        pytest.param(memory(58, workload=a_deployment(a_container(memory_limit=None)), pods=()), id="no memory limit"),
    ],
)
def test_nobody_knows(load):
    assert load is None


def test_the_container_under_the_most_pressure_counts():
    """An idle sidecar must not hide it."""
    workload = a_deployment(a_container(cpu_limit=1.0), a_container("proxy", index=1, cpu_limit=1.0))
    usages = a_usage(0.95, 0.95, 0.95), a_usage(0.01, 0.01, 0.01, container="proxy")
    both = Usage(source="test", at=NOW, containers=usages[0].containers + usages[1].containers)
    load = measure("cpu", workload, PODS, both, NOW)
    assert (load.container, load.high, load.fully_measured) == ("app", True, True)
    assert measure("cpu", workload, PODS, both, NOW, container="proxy").share == pytest.approx(0.01)


def test_a_container_that_nobody_measured_may_be_the_busy_one():
    workload = a_deployment(a_container(cpu_limit=1.0), a_container("proxy", index=1, cpu_limit=1.0))
    load = cpu(0.1, 0.1, 0.1, workload=workload)
    assert (load.high, load.fully_measured) == (False, False)


def test_an_init_container_that_is_over_is_not_missed():
    workload = a_deployment(a_container("migrate", init=True, cpu_limit=1.0), a_container(cpu_limit=1.0))
    assert cpu(0.1, 0.1, 0.1, workload=workload).fully_measured


def test_little_use_is_good_news_only_when_every_pod_was_measured():
    assert cpu(0.1, 0.1, 0.1).fully_measured
    assert not cpu(0.1, 0.1, None).fully_measured


def test_the_pods_own_memory_limit_counts_before_the_templates():
    pods = tuple(pod.model_copy(update={"memory_limits": {"app": 128 * MI}}) for pod in PODS)
    assert memory(64, 64, 64, pods=pods).share == pytest.approx(0.5)


def test_the_container_that_the_incident_names():
    workload = a_deployment(a_container(cpu_limit=1.0), a_container("proxy", index=1, cpu_limit=1.0))
    spec = a_spec(type=IncidentType.HIGH_CPU, container_name="proxy")
    assert measure_evidence("cpu", an_evidence(workload=workload, incident=spec, usage=a_usage(0.9, 0.9, 0.9))) is None


def test_which_incidents_are_about_pressure():
    found = {kind: saturated_resource(kind) for kind in IncidentType if saturated_resource(kind)}
    assert found == {IncidentType.HIGH_CPU: "cpu", IncidentType.HIGH_MEMORY: "memory"}


def test_a_person_reads_what_was_measured_and_what_counts():
    assert str(cpu(0.9, 0.9, None)) == (
        "container app uses 90.0% of its CPU on average (2 of 3 ready pods measured, 80% counts as high)"
    )


@given(values=st.lists(st.none() | st.floats(min_value=0, max_value=4), min_size=3, max_size=3))
def test_whatever_is_measured_the_share_is_between_the_least_and_the_most(values):
    load = cpu(*values)
    known = [value for value in values if value is not None]
    if load is None:
        assert len(known) < 2
    else:
        assert min(known) - 1e-4 <= load.share <= max(known) + 1e-4
        assert load.high == (load.share >= HIGH["cpu"])
