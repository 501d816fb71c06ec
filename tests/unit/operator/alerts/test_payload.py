"""Payloads that Alertmanager sends, and never sends: parsed as a whole, or refused with the name of the field."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.notifications import a_notification, an_alert, body

from prunella_operator.alerts.payload import Malformed, Unprocessable, parse
from prunella_workflows.model.alert import AlertStatus


def only(**values):
    (alert,), _ = parse(body(an_alert(**values)))
    return alert


def test_a_notification_is_understood():
    alerts, left_out = parse(body(an_alert(), an_alert(fingerprint="ff"), truncatedAlerts=7))
    assert ([alert.fingerprint for alert in alerts], left_out) == (["0123456789abcdef", "ff"], 7)
    first = alerts[0]
    assert (first.name, first.status, first.ends_at, first.whole) == ("KubePodCrashLooping", "firing", None, True)
    assert first.starts_at == datetime(2026, 3, 4, 12, 0, 0, 123457, tzinfo=UTC)
    assert first.annotations == {"summary": "Pod is crash looping."}


def test_what_alertmanager_may_add_one_day_is_not_in_the_way():
    assert parse(body(an_alert(new={"a": [1]}), another=None))[0]


def test_no_alerts_are_no_error():
    assert parse(json.dumps(a_notification(alerts=[])).encode()) == ((), 0)


def test_the_end_counts_for_what_is_resolved_only():
    assert only(endsAt="2026-03-04T12:30:00Z").ends_at is None
    ended = only(status="resolved", endsAt="2026-03-04T13:30:00+01:00")
    assert (ended.status, ended.ends_at) == (AlertStatus.RESOLVED, datetime(2026, 3, 4, 12, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (a_notification(version="3"), 'version: expected "4"'),
        (a_notification(version=4), "version: expected str, got int"),
        ({}, "the body: object missing required field version"),
        ([], "the body: expected object, got array"),
        (a_notification(alerts={}), "alerts: expected array, got object"),
        (a_notification(alerts=[1]), "alerts[0]: expected object, got int"),
        (a_notification(an_alert(), an_alert(labels=None)), "alerts[1].labels: expected object, got null"),
        (a_notification(an_alert(labels={"namespace": 3})), "alerts[0].labels.namespace: expected a string"),
        (a_notification(an_alert(labels={"a": {"b": "c"}})), "alerts[0].labels.a: expected a string"),
        (a_notification(an_alert(labels={"<b>": None})), "alerts[0].labels[...]: expected a string"),
        (a_notification(an_alert(labels={"": "x"})), "alerts[0].labels: expected names of 1 to 128 characters"),
        (a_notification(an_alert(labels={"x" * 129: ""})), "alerts[0].labels: expected names of 1 to 128 characters"),
        (
            a_notification(an_alert(labels={f"l{number}": "" for number in range(65)})),
            "alerts[0].labels: expected at most 64 of them",
        ),
        (a_notification(an_alert(annotations={"summary": []})), "alerts[0].annotations.summary: expected a string"),
        (a_notification(an_alert(status="<b>")), "alerts[0].status: expected firing or resolved"),
        (a_notification(an_alert(startsAt="today")), "alerts[0].startsAt: invalid RFC3339 encoded datetime"),
        (
            a_notification(an_alert(startsAt="2026-03-04T12:00:00")),
            "alerts[0].startsAt: expected datetime with a timezone component",
        ),
        (
            a_notification(an_alert(startsAt="0001-01-01T00:00:00+05:00")),
            "alerts[0].startsAt: expected a time within the calendar",
        ),
        (a_notification(an_alert(fingerprint="../x")), "alerts[0].fingerprint: expected 1 to 64 letters and digits"),
        (a_notification(an_alert(fingerprint="")), "alerts[0].fingerprint: expected 1 to 64 letters and digits"),
        (
            {**a_notification(), "alerts": [{key: value for key, value in an_alert().items() if key != "fingerprint"}]},
            "alerts[0]: object missing required field fingerprint",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(payload, said):
    with pytest.raises(Unprocessable) as refused:
        parse(json.dumps(payload).encode())
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"nothing", b"\xff\xfe", b'{"version": "4", "alerts": [', b"\x00", b"[" * 100_000, b'{"a":' * 100_000],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises((Malformed, Unprocessable)):
        parse(text)


def test_long_texts_are_cut_not_refused():
    alert = only(labels={"alertname": "A", "note": "x" * 5000}, annotations={"description": "word " * 3000})
    assert (len(alert.labels["note"]), alert.labels["note"][-1], alert.whole) == (1024, "…", False)
    assert len(alert.annotations["description"]) == 4096


def test_secrets_are_masked_before_anything_is_stored():
    alert = only(
        labels={"alertname": "A", "db_password": "hunter2", "pod": "web-5d4f8b7c9-abcde"},
        annotations={"description": "token=ghp_abcdefghijklmnopqrstuvwxyz0123456789 failed"},
        generatorURL="http://admin:hunter2@prometheus/graph",
    )
    assert "hunter2" not in alert.model_dump_json()
    assert "ghp_" not in alert.model_dump_json()
    assert (alert.labels["pod"], alert.whole) == ("web-5d4f8b7c9-abcde", False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
alert_like = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | json_values,
        "labels": st.dictionaries(st.text(max_size=12), st.text(max_size=40) | json_values, max_size=5) | json_values,
        "annotations": st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=5) | json_values,
        "startsAt": st.sampled_from(["2026-03-04T12:00:00Z", "0001-01-01T00:00:00Z"]) | st.text(max_size=30),
        "endsAt": st.sampled_from(["2026-03-04T12:00:00Z", "9999-12-31T23:59:59-12:00"]) | json_values,
        "fingerprint": st.sampled_from(["0123456789abcdef"]) | st.text(max_size=70) | json_values,
        "generatorURL": st.text(max_size=40) | json_values,
    },
)
payloads = st.fixed_dictionaries(
    {"version": st.just("4") | json_values, "alerts": st.lists(alert_like, max_size=4) | json_values},
    optional={"truncatedAlerts": json_values, "groupKey": json_values},
)


@given(payloads | json_values)
def test_whatever_comes_is_understood_or_refused(payload):
    alerts, said = (), ""
    try:
        alerts, _ = parse(json.dumps(payload).encode())
    except (Malformed, Unprocessable) as refused:
        said = str(refused)
    assert len(said) < 200
    for alert in alerts:  # what is let in can be stored: it survives the way to Temporal and back
        assert type(alert).model_validate_json(alert.model_dump_json()) == alert


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(text):
    with pytest.raises((Malformed, Unprocessable)):
        parse(text)
