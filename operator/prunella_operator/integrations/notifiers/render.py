"""Render a message as plain text, Markdown, HTML or chat markup, within the length limit of the service."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from prunella_operator.integrations.answer_links import SignedLink
from prunella_operator.integrations.notifiers import escape
from prunella_workflows.contracts.notifications import Link, Message

DROPPED = ("Changed", "Would change", "Evidence", "Tried", "Also", "Links", "Cause", "Where", "What happened")
"""Sections that are dropped to fit, in this order: a person on call needs the next step, not the diff."""
_LINE_WIDTHS = (1000, 300, 120, 60)  # characters, tried in turn
_MAX_BLOCK_LINES = 40
_CODE = ("Changed", "Would change")
_MAX_TITLE = 200  # characters


class Style(StrEnum):
    """The markup that a service understands."""

    TEXT = "text"
    MARKDOWN = "markdown"
    GOOGLE = "google"
    SLACK = "slack"
    HTML = "html"


@dataclass(frozen=True)
class Section:
    """One section of a message: lines of prose, a verbatim block, or links."""

    heading: str
    lines: tuple[str, ...] = ()
    block: bool = False
    links: tuple[Link, ...] = ()


def title(message: Message, style: Style) -> str:
    """Render the subject: one line, escaped for its place in the text."""
    line = escape.plain(f"{message.severity}: {message.title}")[:_MAX_TITLE]
    return _MARKUP[style].title(line)


def body(message: Message, links: tuple[Link, ...], style: Style, limit: int = 0) -> str:
    """Render the text below the subject in at most `limit` characters (0: no limit)."""
    sections, markup = tuple(_sections(message, links)), _MARKUP[style]
    for width in _LINE_WIDTHS:
        for dropped in range(len(DROPPED) + 1):
            kept = (section for section in sections if section.heading not in DROPPED[:dropped])
            text = markup.between.join(_render(_narrow(section, width), markup) for section in kept)
            if not limit or len(text) <= limit:
                return text
    return escape.plain(message.next_step or message.what)[:limit]


def _sections(message: Message, links: tuple[Link, ...]) -> Iterator[Section]:
    evidence = tuple(f"{note.source}: {note.message}" for note in message.evidence)
    changed, proposed = (diff.splitlines()[:_MAX_BLOCK_LINES] for diff in (message.changed, message.proposed))
    parts = (
        Section("Where", (message.where,)),
        Section("What happened", (message.what,)),
        Section("Cause", (message.cause,)),
        Section("Evidence", evidence, block=True),
        Section("Tried", message.tried),
        Section("Changed", tuple(changed), block=True),
        Section("Would change", tuple(proposed), block=True),
        Section("Do now", (message.next_step,)),
        Section("Also", message.also),
        Section("Links", links=(*links, *message.links)),
    )
    return (part for part in map(_clean, parts) if part.lines or part.links)


def _clean(section: Section) -> Section:
    clean = escape.plain_code if section.heading in _CODE else escape.plain
    links = tuple(map(_clean_link, section.links))
    return replace(section, lines=tuple(filter(None, map(clean, section.lines))), links=links)


def _clean_link(link: Link) -> Link:
    target = link.target if isinstance(link, SignedLink) else escape.plain_target(link.target)
    return link.model_copy(update={"label": escape.plain(link.label), "target": target})


def _narrow(section: Section, width: int) -> Section:
    lines = tuple(line if len(line) <= width else f"{line[: width - 3]}..." for line in section.lines)
    return replace(section, lines=lines)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) if len(lines) > 1 else "".join(lines)


def _fence(lines: Sequence[str]) -> str:
    return "\n".join(("```", *map(escape.fenced, lines), "```"))


def _indent(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class _Markup:
    """The functions that render the parts in one style; the defaults are those of plain text."""

    value: Callable[[str], str] = str
    heading: Callable[[str], str] = "{}:\n".format
    lines: Callable[[Sequence[str]], str] = _indent
    block: Callable[[Sequence[str]], str] = _indent
    page: Callable[[str], str] = str
    command: Callable[[str], str] = str
    title: Callable[[str], str] = str
    between: str = "\n\n"


def _render(section: Section, markup: _Markup) -> str:
    if section.block:
        return markup.heading(section.heading) + markup.block(section.lines)
    linked = [
        f"{markup.value(link.label)}: {(markup.page if escape.is_page(link.target) else markup.command)(link.target)}"
        for link in section.links
    ]
    return markup.heading(section.heading) + markup.lines([*map(markup.value, section.lines), *linked])


_MARKUP = {
    Style.TEXT: _Markup(),
    Style.MARKDOWN: _Markup(
        value=escape.markdown,
        heading="**{}**\n\n".format,
        lines=_list,
        block=_fence,
        page=lambda page: f"<{page}>",
        command=escape.code,
        title=escape.markdown,
    ),
    Style.GOOGLE: _Markup(
        value=escape.chat,
        heading="*{}*\n".format,
        lines=_list,
        block=_fence,
        command=escape.code,
        title=escape.chat,
    ),
    Style.SLACK: _Markup(
        value=escape.slack,
        block=lambda lines: _indent([escape.slack(line) for line in lines]),
        page=escape.slack,
        command=escape.slack,
        title=escape.chat,  # apprise escapes it once more
    ),
    Style.HTML: _Markup(
        value=escape.html,
        heading=lambda name: f"<p><b>{name}</b></p>\n",
        lines=lambda lines: "<p>" + "<br/>\n".join(lines) + "</p>",
        block=lambda lines: "<pre>" + "\n".join(map(escape.html, lines)) + "</pre>",
        page=lambda page: f'<a href="{escape.html(page)}">{escape.html(page)}</a>',
        command=lambda command: f"<code>{escape.html(command)}</code>",
        title=escape.html,
        between="\n",
    ),
}
