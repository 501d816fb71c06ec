"""Nothing that an API server, a proxy or a future Kubernetes sends may stop the sensor."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
from fakes.apiserver import FakeApi
from fakes.pods import ended, pod, running, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_operator.detection.pods import PODS, PodSource
from prunella_operator.kubernetes.watch.formats import Json, LineSplitter
from prunella_operator.kubernetes.watch.resource import WatchStats
from prunella_operator.kubernetes.watch.watch import Watch, WatchError

JSON = Json()
GOOD = pod(
    containers=[running(state=waiting("CrashLoopBackOff"), lastState=ended(), restartCount=3), running(name="proxy")],
    init=[running(name="init", state=ended("Completed", 0))],
    labels={"app": "web", "prunella.dev/ignore": "true"},
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value, prefix=()):
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*prefix, key))


def with_value(value, path, new):
    if not path:
        return new
    head, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[head] = with_value(value[head], rest, new)
    return copy


def sensor():
    """A pod source with a scripted watch, and its signals."""
    emitted = []
    source = PodSource(FakeApi().access, emitted.append)
    return Watch(source.access, PODS, source, stats=WatchStats()), emitted


def feed(watch, data):
    try:
        watch._handle_event(data, JSON)
    except WatchError:  # a well-formed ERROR event: the watch connects again
        return


def still_sees(watch, emitted):
    before = len(emitted)
    watch._handle_event(
        json.dumps({"type": "MODIFIED", "object": {**GOOD, "metadata": {**GOOD["metadata"], "uid": "z"}}}).encode(),
        JSON,
    )
    return len(emitted) > before


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(list(paths({"type": "MODIFIED", "object": GOOD}))), value=json_values)
def test_one_field_of_any_other_type(path, value):
    watch, emitted = sensor()
    feed(watch, json.dumps(with_value({"type": "MODIFIED", "object": GOOD}, path, value)).encode())

    assert watch.stats.unhandled == 0
    assert still_sees(watch, emitted)


@settings(max_examples=200, deadline=None)
@given(length=st.integers(0, len(json.dumps({"type": "MODIFIED", "object": GOOD}))), tail=st.binary(max_size=8))
def test_a_line_that_is_cut_or_dirty(length, tail):
    watch, emitted = sensor()
    feed(watch, json.dumps({"type": "MODIFIED", "object": GOOD}).encode()[:length] + tail)

    assert watch.stats.unhandled == 0
    assert still_sees(watch, emitted)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes(data):
    watch, emitted = sensor()
    feed(watch, data)

    assert still_sees(watch, emitted)


def test_absurd_nesting():
    watch, emitted = sensor()
    deep = b"[" * 100_000 + b"]" * 100_000
    feed(watch, b'{"type":"MODIFIED","object":' + deep + b"}")

    assert watch.stats.undecodable
    assert still_sees(watch, emitted)


def test_text_that_is_no_unicode():
    watch, emitted = sensor()
    feed(watch, json.dumps({"type": "MODIFIED", "object": GOOD}).encode().replace(b"web-1", b"web-\xff"))

    assert watch.stats.undecodable
    assert still_sees(watch, emitted)


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.binary(max_size=20), max_size=8), cuts=st.lists(st.integers(0, 160), max_size=8))
def test_lines_come_out_whole_however_they_are_cut(data, cuts):
    text = b"".join(part.replace(b"\n", b"") + b"\n" for part in data)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    lines = LineSplitter()
    found = [line for start, end in pairwise(edges) for line in lines.feed(text[start:end])]

    assert found == [line for line in text.split(b"\n") if line]


@settings(max_examples=100, deadline=None)
@given(value=json_values)
def test_any_page(value):
    watch, emitted = sensor()
    for item in [value, GOOD]:
        watch._known.upsert(msgspec.Raw(json.dumps(item).encode()), JSON)

    assert emitted
    assert emitted[0].observed_at <= datetime.now(UTC)  # noqa: TID251 - a test may look at the clock
