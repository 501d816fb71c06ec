"""Logging: one pipe, JSON for machines and text for people, without secrets."""

import io
import json
import logging

import pytest
import structlog

from prunella_operator.observability.logging import about, configure, flatten_extras, redact_event


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def records(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_records_and_those_of_libraries_look_alike():
    out = io.StringIO()
    configure("auto", "info", out)
    with about(incident="shop/a", workflow_id="incident-1"):
        structlog.get_logger("prunella.x").info("hello", n=3)
        logging.getLogger("aiohttp.server").info("served %s", "it")
    ours, theirs = records(out)
    assert (ours["event"], ours["logger"], ours["level"], ours["n"]) == ("hello", "prunella.x", "info", 3)
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("served it", "aiohttp.server", "info")
    assert ours["incident"] == theirs["incident"] == "shop/a"
    assert ours["workflow_id"] == theirs["workflow_id"] == "incident-1"
    assert ours["time"].endswith("Z")


def test_what_a_block_was_about_ends_with_it():
    out = io.StringIO()
    configure("json", "info", out)
    with about(incident="shop/a"):
        pass
    structlog.get_logger().info("after")
    assert "incident" not in records(out)[0]


def test_text_on_a_terminal_and_where_it_is_wanted():
    for wanted, out in (("auto", Terminal()), ("text", io.StringIO())):
        configure(wanted, "info", out)
        logging.getLogger("kopf").warning("look out")
        assert "look out" in out.getvalue()
        assert not out.getvalue().startswith("{")


def test_levels_hold_and_chatty_libraries_are_quiet():
    out = io.StringIO()
    configure("json", "debug", out)
    logging.getLogger("kubernetes.client.rest").debug("a whole Secret")
    structlog.get_logger("prunella").debug("seen")
    assert [record["event"] for record in records(out)] == ["seen"]
    configure("json", "error", out)
    structlog.get_logger("prunella").warning("unseen")
    assert len(records(out)) == 1


def test_secrets_are_taken_out_of_messages_values_and_tracebacks():
    out = io.StringIO()
    configure("json", "info", out)
    log = structlog.get_logger("prunella")
    log.info(
        "connect postgres://u:hunter2@db", password="hunter2", nested={"token": "hunter2", "list": ["pwd=hunter2"]}
    )
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        logging.getLogger("kopf").exception("handler failed")
    assert "hunter2" not in out.getvalue()
    assert "ValueError" in records(out)[1]["exception"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "x", "n": 1, "ok": True, "none": None}, {"event": "x", "n": 1, "ok": True, "none": None}),
        ({"api_key": 12.5, "secret": ("a", "b")}, {"api_key": 12.5, "secret": ["***", "***"]}),
        ({"error": ValueError("token=abc")}, {"error": "token=***"}),
        (
            {"secretName": "db", "image": "a@sha256:" + "0a" * 32},
            {"secretName": "db", "image": "a@sha256:" + "0a" * 32},
        ),
    ],
)
def test_redaction_of_one_record(event, expected):
    assert redact_event(None, "info", event) == expected


def test_what_kopf_and_temporalio_say_of_their_subject_is_lifted():
    event = {
        "k8s_ref": {"namespace": "shop", "name": "a", "uid": "u"},
        "temporal_activity": {"workflow_id": "w", "activity_type": "diagnose", "attempt": 2, "task_queue": "q"},
    }
    lifted = {"namespace": "shop", "name": "a", "workflow_id": "w", "activity_type": "diagnose", "attempt": 2}
    assert flatten_extras(None, "info", event) == lifted
    assert flatten_extras(None, "info", {"k8s_ref": "odd", "workflow_id": "mine"}) == {"workflow_id": "mine"}
