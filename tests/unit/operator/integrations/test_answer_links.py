"""Answer links: what a signature covers, how long a link is valid, and which keys are accepted."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from prunella_operator.config.settings import Settings
from prunella_operator.integrations.answer_links import ExpiredLink, InvalidLink, create_answer_links
from prunella_workflows.model.errors import InvalidInputError
from prunella_workflows.model.incident import Decision, IncidentRef
from prunella_workflows.model.redaction import redact

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REF = IncidentRef(namespace="shop", name="checkout-1", uid="0b7d2f5e-9c1a-4a53-8f57-3d1c2b6a9e10")
KEY, OTHER = "k" * 32, "o" * 44


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def links(key_file):
    return create_answer_links(Settings(link_key_file=str(key_file), console_url="https://prunella.example.org"))


def make(links, decision=Decision.APPROVED, now=NOW):
    """The token of a new link."""
    address = links.make(REF, "p" * 32, decision, now)
    assert address.startswith("https://prunella.example.org/answers/")
    return address.rpartition("/")[2]


def test_a_link_says_what_is_asked_about_which_object(links):
    link = links.read(make(links, Decision.REJECTED), NOW)
    assert (link.incident, link.proposal, link.decision) == (REF, "p" * 32, "Rejected")
    assert link.expires_at == NOW + timedelta(hours=24)


def test_a_link_that_gets_into_a_log_is_masked(links):
    body, _, signature = make(links).partition(".")
    masked = redact(f"cannot send https://prunella.example.org/answers/{body}.{signature}")
    assert body not in masked
    assert signature not in masked


def test_no_two_links_are_the_same(links):
    assert make(links) != make(links)


def test_a_link_is_short_enough_for_every_service(links):
    assert len(links.make(REF, "p" * 32, Decision.APPROVED, NOW)) < 700


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("incident", {"namespace": "shop", "name": "checkout-2", "uid": REF.uid}),
        ("incident", {"namespace": "shop", "name": "checkout-1", "uid": "another"}),
        ("proposal", "q" * 32),
        ("decision", "Rejected"),
        ("expires_at", "2027-11-24T12:00:00Z"),
        ("nonce", "another"),
    ],
)
def test_nothing_in_a_link_can_be_changed(links, field, value):
    body, _, signature = make(links).partition(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert field in content
    changed = base64.urlsafe_b64encode(json.dumps({**content, field: value}).encode()).rstrip(b"=").decode()
    with pytest.raises(InvalidLink):
        links.read(f"{changed}.{signature}", NOW)


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-1], lambda text: f"{text}A", lambda text: text.partition(".")[0]]
)
def test_a_link_that_was_cut_is_refused(links, spoil):
    with pytest.raises(InvalidLink, match="changed or is incomplete"):
        links.read(spoil(make(links)), NOW)


@given(some.text(max_size=200))
def test_no_other_text_is_a_link(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "answer-keys"
    path.write_text(KEY)
    links = create_answer_links(Settings(link_key_file=str(path), console_url="https://prunella.example.org"))
    with pytest.raises(InvalidLink):
        links.read(text, NOW)


def test_a_link_of_another_key_is_refused(links, key_file):
    token = make(links)
    key_file.write_text(OTHER)
    with pytest.raises(InvalidLink, match="keys of this console are others"):
        links.read(token, NOW)


def test_keys_are_replaced_without_a_gap(links, key_file):
    old = make(links)
    key_file.write_text(f"{OTHER}\n\n{KEY}\n")
    new = make(links)
    assert links.read(old, NOW)
    key_file.write_text(OTHER)
    assert links.read(new, NOW)


def test_a_link_expires(links):
    token = make(links)
    assert links.read(token, NOW + timedelta(hours=24, seconds=-1))
    with pytest.raises(ExpiredLink, match="until 2026-11-25 12:00 UTC"):
        links.read(token, NOW + timedelta(hours=24))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least 32 characters"),
        ("short", "at least 32"),
        (f"{KEY}\nshort", "at least 32"),
        (None, "No such file"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_named(key_file, text, words):
    if text is None:
        key_file.unlink()
    else:
        key_file.write_text(text)
    with pytest.raises(InvalidInputError, match=f"link_key_file .*{words}"):
        create_answer_links(Settings(link_key_file=str(key_file), console_url="https://prunella.example.org"))


def test_links_need_an_address_to_lead_to(key_file):
    with pytest.raises(InvalidInputError, match="link_key_file needs console_url"):
        create_answer_links(Settings(link_key_file=str(key_file)))


def test_without_a_key_there_are_no_links():
    assert create_answer_links(Settings(console_url="https://prunella.example.org")) is None
