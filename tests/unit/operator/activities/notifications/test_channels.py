"""Messages to real servers: mail over SMTP, chats and webhooks over HTTP; what their answers mean; what gets out."""

import base64
import io
import logging
import re
import traceback
from functools import partial

import pytest
from fakes.httpd import Answer, Httpd
from fakes.mail_server import MailServer
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support import spans

from prunella_operator import clock
from prunella_operator.activities.notifications import channels
from prunella_operator.activities.notifications.channels import Messenger, Throttled
from prunella_operator.config.settings import Settings
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_operator.integrations.links import message_links
from prunella_operator.integrations.notifiers.apprise_notifier import AppriseNotifier
from prunella_operator.integrations.notifiers.limiter import Limiter
from prunella_operator.integrations.notifiers.services import SERVICES
from prunella_operator.observability import tracing
from prunella_workflows.contracts.notifications import Message, NotifyRequest
from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, NotFound, PrunellaError, Unavailable
from prunella_workflows.model.incident import IncidentRef, Severity
from prunella_workflows.model.incident_status import EvidenceNote, WorkflowLink
from prunella_workflows.temporal.failures import translate_errors

CANARY = "canary9f3e71c2ab"
UID = "0b7d2f5e-9c1a-4a53-8f57-3d1c2b6a9e10"
MESSAGE = Message(
    thread=UID,
    severity=Severity.CRITICAL,
    title="Deployment/web in shop needs a person: NoKnownGoodRevision",
    where="Deployment/web in namespace shop",
    what="No earlier release is known to have worked.",
    cause="bad_release (90%): revision 2 fails.",
    evidence=(EvidenceNote(source="Log web/app", message="<b>fatal</b> @everyone"),),
    tried=("SetMemory of Deployment/web (to 96Mi): NotHealed, undone",),
    changed="-64Mi\n+96Mi",
    next_step="Fix the release.",
    incident=IncidentRef(namespace="shop", name="web-1", uid=UID),
    workflow=WorkflowLink(id=f"incident-{UID}", run_id="r"),
    trace_id="0af7651916cd43dd8448eb211c80319c",
)
PAGES = {
    "console_url": "https://prunella.example.org/",
    "trace_url": "https://tempo.example.org/trace/{trace_id}",
    "dashboard_url": "https://grafana.example.org/d/p?ns={namespace}&i={incident}",
}


class Channel:
    """Channel shop/chat with a url."""

    def __init__(self, url, kind="prunella.dev/channel", limiter=None):
        data = {"url": base64.b64encode(url.encode()).decode()}
        self.secret = {"type": kind, "data": data}
        self.messenger = Messenger(self, AppriseNotifier(), partial(message_links, Settings.load(PAGES)), limiter)

    def call(self, _method, path, *_, **__):
        assert path == "/api/v1/namespaces/shop/secrets/chat"
        if isinstance(self.secret, Exception):
            raise self.secret
        return self.secret

    def tell(self, key="k", **values):
        message = MESSAGE.model_copy(update=values)
        return self.messenger.notify(NotifyRequest(channel="shop/chat", message=message, key=key))


@pytest.fixture
def httpd():
    with Httpd() as server:
        yield server


@pytest.fixture
def mail():
    with MailServer(CANARY) as server:
        yield server


def mail_url(mail, password=CANARY, more=""):
    return f"mailto://bot:{password}@127.0.0.1:{mail.port}?mode=insecure&from=bot@example.org&to=ann@example.org{more}"


def webhook_url(httpd, path="hook"):
    return f"json://127.0.0.1:{httpd.port}/{path}"


def counted(kind, result):
    labels = {"channel_kind": kind, "result": result}
    return REGISTRY.get_sample_value("prunella_notifications_total", labels) or 0


def test_a_mail_is_told_as_text_and_html_and_joins_its_thread(mail):
    channel = Channel(mail_url(mail))
    delivery = channel.tell()
    assert (delivery.channel, delivery.kind, delivery.result) == ("shop/chat", "mail", "Delivered")
    channel.tell("another")
    channel.tell("of another thread", thread="x")
    (to, first), (_, second), (_, third) = mail.mails
    assert to == ["ann@example.org"]
    assert first["Subject"] == f"Critical: {MESSAGE.title}"
    assert first["References"] == second["References"] == first["In-Reply-To"] != third["References"]
    assert first["Message-ID"] != second["Message-ID"]
    text, page = (part.get_content() for part in first.iter_parts())
    assert "&lt;b&gt;fatal&lt;/b&gt; @everyone" in page
    for words in (
        "No earlier release is known to have worked.",
        "SetMemory of Deployment/web (to 96Mi): NotHealed, undone",
        "Fix the release.",
        "prunella incidents show web-1 -n shop",
        f"/workflows/incident-{UID}/r",
        "https://tempo.example.org/trace/0af7651916cd43dd8448eb211c80319c",
        "https://grafana.example.org/d/p?ns=shop",
        "https://prunella.example.org/incidents/shop/web-1",
    ):
        assert words in text
        assert words in page


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("k" * 32)
    return path


def asking(url, key_file):
    """A channel whose messages have links to answer, and a message that asks for an answer."""
    channel, settings = Channel(url), Settings.load({**PAGES, "link_key_file": str(key_file)})
    links = partial(message_links, settings, answers=create_answer_links(settings))
    channel.messenger = Messenger(channel, AppriseNotifier(), links)
    return channel, {"proposal": "p" * 32, "proposed": "-64Mi\n+96Mi"}


def test_a_request_for_an_approval_has_links_to_answer_and_nothing_else_knows_them(mail, key_file):
    channel, asks = asking(mail_url(mail), key_file)
    with capture_logs() as lines:
        delivery = channel.tell(**asks)
    text, page = (part.get_content() for part in mail.mails[0][1].iter_parts())
    tokens = re.findall(r"^ *(Approve|Reject): https://prunella.example.org/answers/(\S+)", text, re.MULTILINE)
    assert [label for label, _ in tokens] == ["Approve", "Reject"]
    links = create_answer_links(Settings.load({**PAGES, "link_key_file": str(key_file)}))
    for label, token in tokens:
        link = links.read(token, clock.now())
        assert (link.incident, link.proposal) == (MESSAGE.incident, "p" * 32)
        assert label.startswith(link.decision[:6])
        assert f'href="https://prunella.example.org/answers/{token}"' in page
        assert token[-20:] not in f"{delivery}{lines}"


def test_other_messages_have_no_links_to_answer(mail, key_file):
    channel, asks = asking(mail_url(mail), key_file)
    channel.tell()
    Channel(mail_url(mail)).tell(**asks)
    assert "/answers/" not in "".join(str(sent) for _, sent in mail.mails)


def test_without_its_key_a_request_is_sent_without_links(mail, key_file):
    channel, asks = asking(mail_url(mail), key_file)
    key_file.unlink()
    with capture_logs() as lines:
        assert channel.tell(**asks).result == "Delivered"
    assert "/answers/" not in str(mail.mails[0][1])
    assert [line["error"] for line in lines if line["log_level"] == "error"] == [
        f"link_key_file {key_file} cannot be read: No such file or directory"
    ]


def test_no_header_can_be_smuggled_into_a_mail(mail):
    Channel(mail_url(mail)).tell(title="x\r\nBcc: everybody@example.org\r\n\r\nbody", thread="a\r\nX-Evil: 1")
    ((to, told),) = mail.mails
    assert (to, told["Bcc"], told["X-Evil"]) == (["ann@example.org"], None, None)


def test_a_wrong_password_is_not_tried_again(mail):
    with pytest.raises(AuthenticationError, match="mail answered 535") as caught:
        Channel(mail_url(mail, "wrong")).tell()
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "error"),
    [("550 no such user", InvalidInputError), ("451 later", Unavailable), ("421 too busy", Unavailable)],
)
def test_what_a_mail_server_means(mail, said, error):
    mail.refuse = said
    with pytest.raises(error, match=f"mail answered {said[:3]}"):
        Channel(mail_url(mail)).tell()


def test_a_mail_server_that_is_not_there(mail):
    with MailServer() as gone:
        url = mail_url(gone)
    with pytest.raises(Unavailable, match="mail did not accept the message"):
        Channel(url).tell()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (400, InvalidInputError),
        (404, InvalidInputError),
        (410, InvalidInputError),
        (302, InvalidInputError),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
@pytest.mark.parametrize("scheme", ["json", "mmost", "ntfy", "gotify"])
def test_what_a_status_means(httpd, status, error, scheme):
    httpd.answer = lambda _: Answer(status, headers={"Location": f"{httpd.url}/elsewhere"} if status == 302 else {})
    before = counted(SERVICES[scheme].name, error.__name__)
    with pytest.raises(error) as caught:
        Channel(f"{scheme}://127.0.0.1:{httpd.port}/{CANARY}").tell()
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert {request.path for request in httpd.asked} & {"/elsewhere"} == set()
    assert counted(SERVICES[scheme].name, error.__name__) == before + 1


def test_a_server_that_hangs_up(httpd):
    httpd.answer = lambda _: Answer(0)
    with pytest.raises(Unavailable, match="webhook did not accept the message"):
        Channel(webhook_url(httpd)).tell()


def test_a_webhook_is_told_in_plain_text(httpd):
    before = counted("webhook", "Delivered")
    assert Channel(webhook_url(httpd)).tell().kind == "webhook"
    (asked,) = httpd.asked
    assert asked.json["title"] == f"Critical: {MESSAGE.title}"
    assert "<b>fatal</b>" in asked.json["message"]
    assert asked.json["type"] == "failure"
    assert counted("webhook", "Delivered") == before + 1


def test_mattermost_is_told_in_markdown_and_nobody_is_called(httpd):
    assert Channel(f"mmost://127.0.0.1:{httpd.port}/{CANARY}").tell().kind == "mattermost"
    text = httpd.asked[0].json["text"]
    assert "**Do now**" in text
    assert "@everyone" not in text


def test_slack_is_told_in_its_markup_and_nobody_is_called(httpd, monkeypatch):
    from apprise.plugins.slack import NotifySlack

    httpd.answer = lambda _: Answer(body=b"ok")
    monkeypatch.setattr(NotifySlack, "webhook_url", httpd.url)
    hostile = "<!channel> <@U123ABC> <https://evil.example.org|click> & done"
    channel = Channel("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops")
    assert channel.tell(what=hostile).kind == "slack"
    (note,) = httpd.asked[0].json["attachments"]
    assert "Do now:\n  Fix the release." in note["text"]
    assert "&lt;!channel&gt; &lt;@U123ABC&gt; &lt;https://evil.example.org|click&gt; &amp; done" in note["text"]
    assert "<" not in note["text"]
    assert note["title"] == f"Critical: {MESSAGE.title}"


def test_a_small_service_gets_what_fits(httpd):
    Channel(f"mmost://127.0.0.1:{httpd.port}/{CANARY}").tell(changed="+ x\n" * 5000, what="word " * 500)
    text = httpd.asked[0].json["text"]
    assert len(text) <= 4000
    assert "Fix the release." in text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hello",
        "dbus://",
        "syslog://",
        "macosx://",
        f"ftp://{CANARY}",
        f"slack://{CANARY}",
        "mailto://",
        f"mailto://bot:{CANARY}@example.org?pgpkey=/etc/passwd",
        f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/var/run/secrets/token&x={CANARY}",
        f"discord://4174216298/{CANARY}?TEMPLATE=/etc/passwd",
        f"json://127.0.0.1/{CANARY}?attach-as=x&keyfile=/etc/passwd",
    ],
)
def test_an_address_that_makes_no_sense_or_reads_files_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidInputError) as caught:
        Channel(url).tell()
    assert CANARY not in str(caught.value)
    assert "passwd" not in str(caught.value)


def test_a_secret_that_is_no_channel():
    with pytest.raises(InvalidInputError, match=r"must be of the type prunella\.dev/channel"):
        Channel(f"json://h/{CANARY}", kind="Opaque").tell()
    channel = Channel("json://h")
    channel.secret = NotFound("secrets chat not found")
    with pytest.raises(InvalidInputError, match="there is no Secret shop/chat"):
        channel.tell()


def test_a_redirect_is_not_followed(httpd):
    """A channel's server must not choose what the worker calls."""
    with Httpd() as inside:
        httpd.answer = lambda _asked: Answer(307, headers={"Location": f"{inside.url}/latest/meta-data"})
        with pytest.raises(PrunellaError):
            Channel(webhook_url(httpd)).tell()
        assert (len(httpd.asked), inside.asked) == (1, [])


def test_a_burst_becomes_one_summary_and_nothing_is_lost(httpd, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(channels.clock, "monotonic", lambda: clock[0])
    channel = Channel(webhook_url(httpd), limiter=Limiter(limit=3, window=60))
    waiting = {}
    for number in range(40):
        try:
            channel.tell(f"k{number}", title=f"incident {number}")
        except Throttled as error:
            waiting[f"k{number}"] = error.again
    assert (len(httpd.asked), len(waiting), set(waiting.values())) == (3, 37, {60.0})
    clock[0] = 60.0
    results = [channel.tell(key, title=f"incident {key[1:]}").result.value for key in waiting]
    assert results == ["Delivered"] + ["Summarised"] * 36
    text = httpd.asked[3].json["message"]
    assert len(httpd.asked) == 4
    assert "incident 4\n" in text
    assert "and 16 more" in text


def test_a_wait_reaches_temporal_as_the_time_of_the_next_try(httpd):
    from temporalio.exceptions import ApplicationError

    channel = Channel(webhook_url(httpd), limiter=Limiter(limit=1, window=60))
    channel.tell("a")
    with pytest.raises(ApplicationError) as caught, translate_errors():
        channel.tell("b")
    assert 0 < caught.value.next_retry_delay.total_seconds() <= 60
    assert not caught.value.non_retryable


@pytest.fixture
def everything_logged():
    """Everything that reaches the root logger, through our own handler, at the level at which libraries log most."""
    root, told = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(told), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as our logging does
    with capture_logs() as ours:
        yield lambda: told.getvalue() + repr(ours)
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("status", [200, 400, 401, 500, 0])
def test_the_address_is_nowhere(httpd, mail, status, everything_logged):
    """Not in the error, its chain, the result, our log, or what the libraries log."""
    httpd.answer = lambda asked: Answer(status, f"you called {asked.path}".encode())
    got_out = []
    chat = f"mmost://127.0.0.1:{httpd.port}/{CANARY}"
    for url in (webhook_url(httpd, CANARY), chat, mail_url(mail, f"x{CANARY}")):
        try:
            got_out.append(repr(Channel(url).tell()))
        except PrunellaError as error:
            got_out += [*traceback.format_exception(error), repr(error.__cause__), repr(error.__context__)]
    assert CANARY not in "".join(got_out)
    assert "cannot send message" in everything_logged()
    assert CANARY not in everything_logged()


def test_a_library_that_breaks_tells_its_type_alone(httpd, monkeypatch):
    from apprise.plugins.custom_json import NotifyJSON

    def broken(*_, **__):
        raise ValueError(f"cannot handle json://{CANARY}")

    monkeypatch.setattr(NotifyJSON, "send", broken)
    with pytest.raises(Unavailable, match="webhook failed: ValueError") as caught:
        Channel(webhook_url(httpd, CANARY)).tell()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("scheme", sorted(SERVICES))
def test_every_service_that_is_allowed_is_one_that_apprise_knows(scheme):
    from apprise.manager_plugins import NotificationManager

    assert scheme in NotificationManager()


# What a trace shows of it


def test_a_message_is_a_call_in_the_trace_that_names_the_channel_and_no_address(httpd):
    spans.traces()
    spans.EXPORTER.clear()
    with tracing.span("activity:notify", {}):
        told = Channel(f"json://127.0.0.1:{httpd.port}/{CANARY}").tell()
    (span,) = spans.named(f"notify {told.kind}")
    assert dict(span.attributes) == {"prunella.channel": "shop/chat"}
