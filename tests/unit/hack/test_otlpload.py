"""The load generator: its totals are those of its messages, and its faults are where they are said to be."""

from collections import Counter

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlpload.faults import Fault, FaultKind, Part
from otlpload.generator import Generator
from otlpload.metrics import MEMORY
from otlpload.shop import NODES, Shop
from otlpload.totals import Totals

START = 1_700_000_000
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


def test_the_same_seed_gives_the_same_load():
    first, second = (Generator(Shop(), rate=20, seed=5).second(START) for _ in range(2))
    assert first.requests == second.requests
    assert first.totals == second.totals
    assert Generator(Shop(), rate=20, seed=6).second(START).requests != first.requests


def test_the_rate_is_kept_also_below_one_trace_a_second():
    generator = Generator(Shop(), rate=0.25)
    assert sum(generator.second(START + number).totals.traces for number in range(40)) == 10


@pytest.mark.parametrize("kind", FaultKind)
def test_totals_are_those_of_the_messages(kind):
    generator = Generator(Shop(), rate=50)
    generator.switch_on(Fault(kind))
    load = generator.second(START)
    spans = list(_spans(load))
    requests = [(service, span) for service, _, span in spans if span.kind == SERVER]
    assert load.totals.traces == len({span.trace_id for _, _, span in spans}) == 50
    assert load.totals.spans == len(spans) == len({span.span_id for _, _, span in spans})
    assert load.totals.requests == Counter((service, span.name) for service, span in requests)
    assert +load.totals.errors == Counter((service, span.name) for service, span in requests if _failed(span))
    assert load.totals.edges == _edges(spans)
    assert load.totals.logs == load.totals.severities.total() == len(list(_records(load)))
    assert load.totals.points == len(list(_points(load))) == 4 * 8 * 3


def test_totals_add_up():
    generator = Generator(Shop(), rate=20)
    loads = [generator.second(START + number) for number in range(3)]
    total = sum((load.totals for load in loads), Totals())
    assert total.items == sum(load.totals.spans + load.totals.points + load.totals.logs for load in loads)
    assert total.requests.total() == sum(load.totals.requests.total() for load in loads)


def test_a_child_lies_within_its_parent():
    spans = {span.span_id: span for _, _, span in _spans(Generator(Shop(), rate=20).second(START))}
    for span in spans.values():
        assert span.start_time_unix_nano < span.end_time_unix_nano
        if span.parent_span_id:
            above = spans[span.parent_span_id]
            assert above.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= above.end_time_unix_nano


@pytest.mark.parametrize("part", Part)
def test_only_the_bad_part_fails(part):
    shop = Shop()
    generator = Generator(shop, rate=500)
    generator.switch_on(Fault(FaultKind.ERRORS, service="payment", part=part, share=1.0))
    served = [(pod, _failed(span)) for service, pod, span in _spans(generator.second(START)) if service == "payment"]
    failing = {pod for pod, failed in served if failed}
    pods = shop.services["payment"].pods
    bad = {
        Part.ALL: pods,
        Part.ONE_POD: pods[:1],
        Part.ONE_NODE: [pod for pod in pods if pod.node == NODES[0]],
        Part.NEW_PODS: [pod for pod in pods if pod.template == shop.services["payment"].template],
    }[part]
    assert failing == {pod.uid for pod in bad}
    assert len({pod.template for pod in pods}) == (2 if part is Part.NEW_PODS else 1)


def test_latency_is_the_services_own_and_network_lies_between_the_spans():
    usual, slow, far = (_payment_times(kind) for kind in (None, FaultKind.LATENCY, FaultKind.NETWORK))
    assert slow["server"] > 5 * usual["server"]
    assert slow["gap"] < 3 * usual["gap"]
    assert far["gap"] > 50 * usual["gap"]
    assert far["server"] < 2 * usual["server"]


def test_saturated_pods_use_their_limit():
    generator = Generator(Shop(), rate=1)
    generator.switch_on(Fault(FaultKind.SATURATION, service="cart"))
    load = generator.second(START)
    high = {service for service, name, value in _points(load) if name == MEMORY and value > 0.9}
    assert high == {"cart"}


def test_after_a_fault_all_is_well():
    generator = Generator(Shop(), rate=200)
    generator.switch_on(Fault(FaultKind.ERRORS, share=1.0))
    generator.switch_off()
    assert generator.second(START).totals.errors.total() < 20


def _payment_times(kind):
    generator = Generator(Shop(), rate=300)
    if kind:
        generator.switch_on(Fault(kind))
    spans = {span.span_id: (service, span) for service, _, span in _spans(generator.second(START))}
    server = [span for service, span in spans.values() if service == "payment" and span.kind == SERVER]
    gaps = [_length(spans[span.parent_span_id][1]) - _length(span) for span in server]
    return {"server": sum(map(_length, server)) / len(server), "gap": sum(gaps) / len(gaps)}


def _length(span):
    return span.end_time_unix_nano - span.start_time_unix_nano


def _failed(span):
    return span.status.code == Status.STATUS_CODE_ERROR


def _edges(spans):
    clients = {span.span_id: service for service, _, span in spans if span.kind == CLIENT}
    return Counter(
        (clients[span.parent_span_id], service) for service, _, span in spans if span.parent_span_id in clients
    )


def _attribute(resource, key):
    return next(one.value.string_value for one in resource.attributes if one.key == key)


def _spans(load):
    """Service, uid of the pod, and span."""
    for one in load.requests[0].resource_spans:
        service, pod = _attribute(one.resource, "service.name"), _attribute(one.resource, "k8s.pod.uid")
        for scope in one.scope_spans:
            yield from ((service, pod, span) for span in scope.spans)


def _points(load):
    """Service, metric and value."""
    for one in load.requests[1].resource_metrics:
        service = _attribute(one.resource, "service.name")
        for metric in one.scope_metrics[0].metrics:
            for point in (*metric.gauge.data_points, *metric.histogram.data_points):
                yield service, metric.name, getattr(point, "as_double", 0)


def _records(load):
    for one in load.requests[2].resource_logs:
        yield from one.scope_logs[0].log_records
