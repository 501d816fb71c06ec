"""Mentions of a Service in a text."""

import pytest

from prunella_operator.activities.evidence.service_mentions import addresses, mentions, parse_service, read_environment


def raw(name="ledger", **spec):
    values = {"clusterIP": "10.96.3.4", "selector": {"app": name}, "ports": [{"port": 8080}], **spec}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": values}


LEDGER = parse_service(raw())


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp 10.96.3.4:8080: connect: connection refused",
        "FATAL: cannot reach dependency 10.96.3.4:8080: dial tcp",
        'connection to server at "ledger" (10.96.3.4), port 5432 failed: Connection refused',
        "cannot reach ledger:8080",
        "Get http://ledger:8080/pay: EOF",
        "http://ledger/pay timed out",
        "postgres://shop:hunter2@ledger:8080/db refused",
        "cannot reach ledger.shop:8080",
        "lookup ledger.shop.svc.cluster.local on 10.96.0.10:53: no such host",
        "ledger.shop.svc is not there",
        "HTTPConnectionPool(host='ledger', port=8080): Max retries exceeded",
        "amqp://LEDGER:8080",
        "LEDGER_SERVICE_HOST is set, and nothing answers there",
        "cannot connect to $LEDGER_URL",
        "neither PRIMARY nor FALLBACK answers",
    ],
)
def test_an_address_names_it(text):
    assert mentions(LEDGER, text, {"LEDGER_URL": "http://ledger:8080", "FALLBACK": "$(LEDGER_SERVICE_HOST):8080"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the ledger is empty",
        "opening ledger.db",
        "ledger: 12 entries",
        "ledger/main.go:42: nil pointer",
        "cannot reach ledger:9999",
        "cannot reach 10.96.3.4:9999",
        "dial tcp 10.96.3.40:8080: refused",
        "dial tcp 110.96.3.4:8080: refused",
        "version 10.96.3.4.1 is not known",
        "cannot reach general-ledger:8080",
        "cannot reach ledger-2:8080",
        "cannot reach ledger.other:8080",
        "ledger.other.svc.cluster.local does not answer",
        "http://example.org/ledger:8080",
        "MY_LEDGER_SERVICE_HOST is not set",
        "OTHER_URL is broken",
        "2026/11/24 09:59:00 starting",
    ],
)
def test_a_word_that_looks_like_it_does_not(text):
    assert not mentions(LEDGER, text, {"OTHER_URL": "http://other:8080", "NAME": "shop"})


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"selector": {}}, id="no selector"),
        pytest.param({"selector": None}, id="no selector at all"),
        pytest.param({"clusterIP": "None"}, id="headless"),
        pytest.param({"clusterIP": ""}, id="no address yet"),
        pytest.param({"type": "ExternalName", "externalName": "db.example.org"}, id="somewhere else"),
    ],
)
def test_what_stands_before_nothing_we_know_is_no_claim(spec):
    assert parse_service(raw(**spec)) is None


def test_an_address_of_the_other_family_counts_too():
    service = parse_service(raw(clusterIPs=["10.96.3.4", "fd00::1"]))
    assert mentions(service, "dial tcp [fd00::1]:8080: connect: connection refused", {})


def test_a_host_alone_in_a_variable_is_one():
    assert mentions(LEDGER, "DB_HOST does not answer", {"DB_HOST": "ledger"})


def test_secrets_are_no_variables_that_are_compared():
    ref = {"valueFrom": {"secretKeyRef": {"name": "token", "key": "TOKEN"}}}
    containers = [{"env": [{"name": "A", "value": "b"}, {"name": "TOKEN", **ref}, {"name": "EMPTY", "value": ""}]}, {}]
    assert read_environment(containers) == {"A": "b"}


def test_a_long_text_takes_no_time():
    assert list(addresses("a" * 100_000 + ":" * 1000)) == []
