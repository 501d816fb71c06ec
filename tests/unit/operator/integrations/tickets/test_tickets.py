"""One ticket an incident, whatever is retried or killed; against servers that speak the protocols."""

import base64
import hashlib
import hmac
import json
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import timedelta

import pytest
from fakes import github_server, jira_server
from fakes.github_server import GithubServer
from fakes.httpd import Answer, Httpd
from fakes.jira_server import JiraServer
from structlog.testing import capture_logs
from support import spans

from prunella_operator import clock
from prunella_operator.activities.notifications.tickets import Ticketer
from prunella_operator.config.settings import Settings
from prunella_operator.integrations.links import message_links
from prunella_operator.observability import tracing
from prunella_workflows.contracts.notifications import Link, Message, TicketRequest, TicketStep
from prunella_workflows.model.errors import (
    AuthenticationError,
    Forbidden,
    InvalidInputError,
    NotFound,
    PrunellaError,
    Unavailable,
)
from prunella_workflows.model.incident import IncidentRef

UID = "0b7d2f5e-9c1a-4a53-8f57-3d1c2b6a9e10"
OPENED = clock.now() - timedelta(minutes=3)
KEY = "canary-webhook-key-77"
MESSAGE = Message(
    thread=UID,
    title="Deployment/web in shop needs a person: NoKnownGoodRevision",
    where="Deployment/web in namespace shop",
    what="No earlier release is known to have worked. {noformat} <!-- prunella-other --> @everyone [x](http://evil)",
    next_step="Fix the release.",
    incident=IncidentRef(namespace="shop", name="web-1", uid=UID),
    links=(Link(label="Runbook", target="https://runbooks.example.org/web"),),
)


class Secrets:
    """An API server that has one Secret, shop/tickets."""

    def __init__(self, values, kind="prunella.dev/tickets"):
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.secret = {"type": kind, "data": data}

    def call(self, _method, path, *_, **__):
        assert path == "/api/v1/namespaces/shop/secrets/tickets"
        if isinstance(self.secret, Exception):
            raise self.secret
        return self.secret


class System:
    """One kind of ticket system: its server, its Secret, and how to read its tickets."""

    def __init__(self, server, values, secret):
        self.server, self.secret, self._values = server, secret, values
        self.restart()

    def restart(self):
        """Another worker, which remembers nothing."""
        self.ticketer = Ticketer(Secrets(self._values), lambda message: message_links(Settings.load({}), message))

    def do(self, step, key="x", ref=None, thread=UID):
        return self.ticketer.ticket(
            TicketRequest(
                system="shop/tickets",
                step=TicketStep(step),
                thread=thread,
                key=f"{thread}-{key}",
                since=OPENED,
                message=MESSAGE,
                ref=ref,
            )
        )


@pytest.fixture
def jira():
    with JiraServer() as server:
        values = {"type": "jira", "url": server.url, "project": "SHOP", "token": jira_server.TOKEN}
        yield System(server, values, jira_server.TOKEN)


@pytest.fixture
def github():
    with GithubServer() as server:
        values = {"type": "github", "url": server.url, "repo": "shop/web", "token": github_server.TOKEN}
        yield System(server, values, github_server.TOKEN)


@pytest.fixture
def webhook():
    with Httpd(lambda _: Answer(body={"key": "T-1", "url": "https://tickets.example.org/T-1"})) as server:
        yield System(server, {"type": "webhook", "url": f"{server.url}/hook", "key": KEY}, KEY)


@pytest.fixture(params=["jira", "github", "webhook"])
def system(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["jira", "github"])
def keeper(request):
    """A system that keeps tickets, so that they can be counted."""
    return request.getfixturevalue(request.param)


def comments(system, key):
    issue = system.server.issues[int(key) if key.isdecimal() else key]
    return issue.get("comments", issue.get("comments_there"))


def is_closed(system, key):
    issue = system.server.issues[int(key) if key.isdecimal() else key]
    return issue.get("state") == "closed" or issue.get("fields", {}).get("status") == jira_server.DONE


def test_open_update_close(keeper):
    ref = keeper.do("Open", "open")
    assert keeper.do("Update", "level-1", ref) == ref
    assert not is_closed(keeper, ref.key)
    keeper.do("Close", "end", ref)
    assert is_closed(keeper, ref.key)
    assert len(comments(keeper, ref.key)) == 2
    assert len(keeper.server.issues) == 1


def test_each_step_repeated_is_done_once(keeper):
    refs = []
    for _ in range(3):
        refs.append(keeper.do("Open", "open"))
        keeper.restart()
    refs += [keeper.do(step, key, refs[0]) for step, key in [("Update", "a"), ("Update", "a"), ("Close", "z")] * 2]
    assert len(set(refs)) == len(keeper.server.issues) == 1
    assert len(comments(keeper, refs[0].key)) == 2


def test_whoever_died_after_the_ticket_was_made_finds_it(keeper):
    """The answer to the creation is lost: the retry must find what was made."""
    made = keeper.server.answer

    def lose_the_answer(asked):
        said = made(asked)
        return Answer(0) if asked.method == "POST" and asked.path.endswith(("/issue", "/issues")) else said

    keeper.server.answer = lose_the_answer
    with pytest.raises(Unavailable):
        keeper.do("Open", "open")
    keeper.server.answer = made
    keeper.restart()
    ref = keeper.do("Open", "open")
    assert len(keeper.server.issues) == 1
    assert ref.key in {str(key) for key in keeper.server.issues}


def test_an_alert_and_its_incident_that_open_it_at_once_open_one(keeper):
    answer = keeper.server.answer
    keeper.server.answer = lambda asked: (time.sleep(0.02), answer(asked))[1]
    threads = [threading.Thread(target=keeper.do, args=("Open", f"k{number}")) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keeper.server.issues) == 1


def test_what_was_just_made_is_known_before_a_search_finds_it(jira):
    ref = jira.do("Open", "open")
    jira.server._search = lambda _asked: Answer(body={"issues": [], "total": 0})
    assert jira.do("Update", "level-1") == ref


def test_an_update_without_a_reference_finds_the_ticket_or_makes_it(keeper):
    first = keeper.do("Update", "level-1")
    keeper.restart()
    assert keeper.do("Update", "level-2") == first
    assert len(keeper.server.issues) == 1
    assert keeper.do("Open", thread="another-uid") != first


def test_a_message_cannot_pretend_to_be_another_incidents_ticket(github):
    github.do("Open", thread="first")
    assert len(github.server.issues) == 1
    github.do("Open", thread="other")  # the message holds a mark of it
    assert len(github.server.issues) == 2


def test_hostile_words_stay_words(jira, github):
    jira.do("Open")
    text = jira.server.issues["SHOP-1"]["fields"]["description"]
    assert text.count("{noformat}") == 2
    github.do("Open")
    body = github.server.issues[1]["body"]
    assert "@everyone" not in body
    assert "[x](" not in body
    assert "<!-- prunella-other" not in body
    assert body.endswith(f"<!-- prunella-{UID} -->")


def test_a_ticket_that_people_closed_stays_closed(keeper):
    ref = keeper.do("Open")
    keeper.do("Close", "end", ref)
    before = len(keeper.server.asked)
    keeper.do("Close", "end", ref)
    assert not [request for request in keeper.server.asked[before:] if request.method in {"POST", "PATCH"}]


def test_jira_closes_by_the_transition_that_is_named_or_says_that_there_is_none(jira):
    ref = jira.do("Open")
    jira.server.transitions = [{"id": "5", "name": "Park", "to": jira_server.OPEN}]
    with pytest.raises(InvalidInputError, match="no transition that closes SHOP-1"):
        jira.do("Close", "end", ref)


def test_jira_cloud_is_searched_by_its_own_endpoint():
    with JiraServer(cloud=True) as server:
        values = {"type": "jira", "url": server.url, "project": "SHOP", "token": "t", "user": "bot@example.org"}
        cloud = System(server, values, "t")
        first = cloud.do("Open")
        cloud.restart()
        assert cloud.do("Open") == first
        assert {request.path for request in server.asked if "search" in request.path} == {"/rest/api/2/search/jql"}


def test_github_reads_on_and_leaves_pages_of_others_alone(github):
    for number in range(130):
        github.server.put(title=f"other {number}", body="nothing of ours")
    ref = github.do("Open")
    for number in range(130):
        github.server.put(title=f"later {number}", body=None)
    github.restart()
    assert github.do("Open") == ref
    assert len(github.server.issues) == 261


def test_a_webhook_is_signed_dated_and_named(webhook):
    ref = webhook.do("Open", "open")
    webhook.do("Close", "end", ref)
    first, last = webhook.server.asked
    signed = first.headers["X-Prunella-Timestamp"].encode() + b"." + first.body
    assert (
        first.headers["X-Prunella-Signature"] == "sha256=" + hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
    )
    assert abs(int(first.headers["X-Prunella-Timestamp"]) - clock.now().timestamp()) < 60
    assert first.headers["X-Prunella-Delivery"] != last.headers["X-Prunella-Delivery"]
    assert (first.json["step"], first.json["thread"], last.json["step"], last.json["key"]) == (
        "open",
        UID,
        "close",
        "T-1",
    )
    assert (ref.key, ref.url) == ("T-1", "https://tickets.example.org/T-1")


def test_a_webhook_says_the_same_thing_when_it_is_repeated(webhook):
    webhook.do("Open", "open")
    webhook.restart()
    webhook.do("Open", "open")
    first, again = webhook.server.asked
    assert first.headers["X-Prunella-Delivery"] == again.headers["X-Prunella-Delivery"]
    assert first.body == again.body


@pytest.mark.parametrize("body", [b"", b"ok", b"[1]", json.dumps({"key": None, "url": "javascript:alert(1)"}).encode()])
def test_a_webhook_need_not_say_anything(webhook, body):
    webhook.server.answer = lambda _: Answer(body=body)
    assert (webhook.do("Open").key, webhook.do("Open").url) == (UID, "")


@pytest.mark.parametrize(
    ("status", "error", "again"),
    [
        (401, AuthenticationError, None),
        (403, AuthenticationError, None),
        (404, InvalidInputError, None),
        (422, InvalidInputError, None),
        (429, Unavailable, 7.0),
        (500, Unavailable, None),
        (503, Unavailable, 7.0),
    ],
)
def test_what_a_status_means(system, status, error, again):
    headers = {"Retry-After": "7"} if again else {}
    system.server.answer = lambda _: Answer(status, {"message": "no", "errorMessages": ["no"]}, headers)
    with pytest.raises(error) as caught:
        system.do("Open")
    assert type(caught.value) is error
    assert getattr(caught.value, "again", None) == again


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_what_another_server_answers_is_quoted_nowhere(system, status):
    """The address of a ticket system is the choice of who may write its Secret."""
    system.server.answer = lambda _: Answer(status, "the secrets of an inner server")
    with pytest.raises(PrunellaError) as caught:
        system.do("Open")
    assert "inner server" not in str(caught.value)


def test_a_webhooks_errors_quote_nothing_and_its_key_is_no_sentence(webhook):
    webhook.server.answer = lambda _: Answer(400, {"message": "the secrets of an inner server"})
    with pytest.raises(InvalidInputError, match=r"webhook answered 400: it refuses the message"):
        webhook.do("Open")
    webhook.server.answer = lambda _: Answer(200, {"key": "the secrets of an inner server"})
    assert webhook.do("Open").key == UID


def test_nobody_there(system):
    system.server.answer = lambda _: Answer(0)
    with pytest.raises(Unavailable, match="does not answer"):
        system.do("Open")


@contextmanager
def suppress_into():
    """Whatever gets out: a result, or an error as a log would print it, with all that hangs on it."""
    got_out = []
    try:
        yield got_out
    except PrunellaError as error:
        got_out += [*traceback.format_exception(error), repr(error.__cause__), repr(error.__context__)]


@pytest.mark.parametrize("status", [200, 400, 401, 422, 500])
def test_the_credential_is_nowhere(system, status, caplog):
    """The server repeats what it was sent; nothing of it may get out: error, its chain, log, result."""
    echo = f"you said {system.secret} in Authorization"
    system.server.answer = lambda _: Answer(status, {"message": echo, "errorMessages": [echo], "x": [echo]})
    caplog.set_level("DEBUG", logger="prunella")
    with capture_logs() as logs, suppress_into() as got_out:
        got_out.append(repr(system.do("Open")))
    assert system.secret not in "".join(got_out)
    assert system.secret not in repr(logs)
    assert system.secret not in caplog.text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "has no type"),
        ({"type": "trello"}, "type must be jira, github or webhook"),
        ({"type": "jira", "url": "https://j.example.org", "project": "SHOP"}, "has no token"),
        (
            {"type": "jira", "url": "https://j.example.org", "project": 'X" OR 1=1', "token": "t"},
            "project is invalid",
        ),
        ({"type": "jira", "url": "https://bob:pw@j.example.org", "project": "X", "token": "t"}, "without a user"),
        ({"type": "github", "repo": "web", "token": "t"}, "repo is invalid"),
        ({"type": "github", "repo": "shop/../web", "token": "t"}, "repo is invalid"),
        ({"type": "webhook", "url": "file:///etc/passwd", "key": "k"}, "must be http"),
        ({"type": "webhook", "url": "http://[", "key": "k"}, "must be http"),
    ],
)
def test_a_secret_that_makes_no_sense_is_named_with_its_key(values, words):
    with pytest.raises(InvalidInputError, match=words) as caught:
        System(None, values, "").do("Open")
    assert "shop/tickets" in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_secret_that_is_missing_forbidden_or_of_another_kind(github):
    secrets = Secrets({"type": "jira"}, kind="Opaque")
    ticketer = Ticketer(secrets, lambda _: ())
    request = TicketRequest(
        system="shop/tickets", step=TicketStep.OPEN, thread=UID, key="k", since=OPENED, message=MESSAGE
    )
    with pytest.raises(InvalidInputError, match=r"must be of the type prunella\.dev/tickets"):
        ticketer.ticket(request)
    secrets.secret = NotFound("secrets tickets not found")
    with pytest.raises(InvalidInputError, match="there is no Secret shop/tickets"):
        ticketer.ticket(request)
    secrets.secret = Forbidden("no")
    with pytest.raises(Forbidden, match="resourceName tickets"):
        ticketer.ticket(request)


def test_a_step_is_a_call_in_the_trace(webhook):
    spans.traces()
    spans.EXPORTER.clear()
    with tracing.span("activity:ticket", {}):
        webhook.do("Open")
    (span,) = spans.named("ticket webhook")
    assert dict(span.attributes) == {"prunella.system": "shop/tickets", "prunella.step": "Open"}
