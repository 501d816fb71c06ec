"""Rendered messages: complete, within the limits, and without markup from foreign text."""

import pytest

from prunella_operator.integrations.notifiers import escape
from prunella_operator.integrations.notifiers.render import DROPPED, Style, body, title
from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.incident import Severity
from prunella_workflows.model.incident_status import EvidenceNote

HOSTILE = [
    "@everyone look",
    "<!channel> <!here|x> <@U123ABC>",
    "<https://evil.example.org|click>",
    "[click](https://evil.example.org)",
    "![x](https://evil.example.org/pixel.png)",
    "</pre></code><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "# heading\n## another\n- item\n1. one",
    "```\nfence\n```",
    "**bold** _it_ ~~gone~~ ||spoiler||",
    "line\r\nBcc: everybody@example.org\r\n\r\nbody",
    "\u202eevil\u2066 \u200b\ufeff",
    "`code` &lt;b&gt; &amp; {noformat}",
    "javascript:alert(1)",
]


def a_message(text="well", **values):
    return Message(
        **{
            "thread": "uid",
            "severity": Severity.CRITICAL,
            "title": text,
            "where": text,
            "what": text,
            "cause": text,
            "evidence": (EvidenceNote(source=text, message=text),),
            "tried": (text, text),
            "changed": "-  memory: 64Mi\n+  memory: 96Mi",
            "proposed": "-  replicas: 2\n+  replicas: 3",
            "next_step": text,
            "also": (text,),
            "links": (
                Link(label=text, target=text),
                Link(label="Page", target="https://pages.example.org/a_b?c=d&e=f"),
            ),
            **values,
        }
    )


def written(style, text="well", limit=0, **values):
    message = a_message(text, **values)
    return f"{title(message, style)}\n{body(message, (), style, limit)}"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("style", [Style.MARKDOWN, Style.GOOGLE, Style.SLACK])
def test_nobody_is_called_by_what_a_pod_wrote(style, text):
    said = written(style, text)
    for call in ("<!channel", "<!here", "<@U123", "<https://evil", *([] if style is Style.SLACK else ["@everyone"])):
        assert call not in said  # Slack knows only what is in angle brackets


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_foreign_words_as_they_are(text):
    from markdown_it import MarkdownIt

    page = MarkdownIt("commonmark", {"html": True}).render(written(Style.MARKDOWN, text))
    assert "<script" not in page
    assert "<img" not in page
    assert "<h1" not in page
    assert "<h2" not in page
    assert "<em>" not in page
    assert page.count("<a href") == 1
    assert 'href="https://pages.example.org/a_b?c=d&amp;e=f"' in page
    assert page.count("<pre>") == 3  # evidence and two diffs: no fence was ended, none begun


@pytest.mark.parametrize("text", HOSTILE)
def test_html_holds_only_our_own_tags(text):
    from html.parser import HTMLParser

    seen = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Parser().feed(body(a_message(text), (), Style.HTML))
    assert {tag for tag, _ in seen} <= {"p", "b", "br", "pre", "a", "code"}
    assert [attrs for _, attrs in seen if attrs] == [{"href": "https://pages.example.org/a_b?c=d&e=f"}]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("style", list(Style))
def test_a_subject_is_one_line_of_visible_letters(style, text):
    said = title(a_message(text), style)
    assert "\n" not in said
    assert "\r" not in said
    assert "\u202e" not in said
    assert said.startswith("Critical: ")


def test_secrets_are_taken_out_wherever_they_stand():
    for style in Style:
        assert "hunter22" not in written(style, "password=hunter22 and https://bob:hunter22@example.org/x")


def test_a_digest_of_an_image_can_still_be_copied():
    name = "registry.example.org/web@sha256:9f86d081884c7d659a2feaa0c55ad015"
    for style in Style:
        assert name in written(style, name)


def test_names_stay_readable():
    assert (
        escape.markdown("pod_oom_killed web-7d9f-abc 64Mi (90%): it is.")
        == "pod_oom_killed web-7d9f-abc 64Mi (90%): it is."
    )
    assert escape.chat("pod_oom_killed web-7d9f-abc") == "pod_oom_killed web-7d9f-abc"


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("limit", [4000, 2000, 1000, 400, 160, 60])
def test_a_small_service_gets_what_matters_most(style, limit):
    long = a_message("x " * 300, next_step="Roll back to revision 3.", links=())
    said = body(long, (), style, limit)
    assert len(said) <= limit
    assert "Roll back to revision 3." in said


def test_parts_go_in_their_order():
    message = a_message("word " * 10)
    whole = body(message, (), Style.TEXT)
    for place, name in enumerate(DROPPED):
        said = body(message, (), Style.TEXT, len(whole) - 1)
        assert f"{name}:" not in said
        assert all(f"{other}:" in said for other in DROPPED[place + 1 :])
        whole = said


def test_what_is_not_known_is_left_out():
    said = body(Message(thread="uid", title="t", what="It fails."), (), Style.TEXT)
    assert said == "What happened:\n  It fails."
