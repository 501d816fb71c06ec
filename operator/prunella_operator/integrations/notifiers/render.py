"""A message as people read it: plain text, Markdown, HTML, or what chats understand, cut to what the service takes.

What does not fit goes in the order of DROPPED: who is called at night needs what to do, not the diff.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from prunella_operator.integrations.notifiers import escape
from prunella_workflows.contracts.notifications import Link, Message

DROPPED = ("Changed", "Would change", "Evidence", "Tried", "Also", "Links", "Cause", "Where", "What happened")
_WIDTHS = (1000, 300, 120, 60)  # characters of a line, tried in turn
_BLOCK_LINES = 40
_CODE = ("Changed", "Would change")
_TITLE = 200


class Style(StrEnum):
    """The markup that a service understands."""

    TEXT = "text"
    MARKDOWN = "markdown"
    GOOGLE = "google"
    SLACK = "slack"
    HTML = "html"


@dataclass(frozen=True)
class Section:
    """One part of a message: lines of prose, a block that is shown as it is, or links."""

    heading: str
    lines: tuple[str, ...] = ()
    block: bool = False
    links: tuple[Link, ...] = ()


def title(message: Message, style: Style) -> str:
    """The subject: one line, escaped for where it is put into the text."""
    line = escape.plain(f"{message.severity}: {message.title}")[:_TITLE]
    return _MARKS[style].title(line)


def body(message: Message, links: tuple[Link, ...], style: Style, limit: int = 0) -> str:
    """The text below the subject in at most `limit` characters (0: as long as it is)."""
    every, marks = tuple(_sections(message, links)), _MARKS[style]
    for width in _WIDTHS:
        for dropped in range(len(DROPPED) + 1):
            kept = (one for one in every if one.heading not in DROPPED[:dropped])
            written = marks.between.join(_written(_narrowed(one, width), marks) for one in kept)
            if not limit or len(written) <= limit:
                return written
    return escape.plain(message.next_step or message.what)[:limit]


def _sections(message: Message, links: tuple[Link, ...]) -> Iterator[Section]:
    evidence = tuple(f"{one.source}: {one.message}" for one in message.evidence)
    changed, proposed = (diff.splitlines()[:_BLOCK_LINES] for diff in (message.changed, message.proposed))
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
    return (part for part in map(_cleaned, parts) if part.lines or part.links)


def _cleaned(section: Section) -> Section:
    clean = escape.plain_code if section.heading in _CODE else escape.plain
    lines = tuple(line for line in map(clean, section.lines) if line)
    links = tuple(
        Link(label=escape.plain(link.label), target=escape.plain_target(link.target)) for link in section.links
    )
    return replace(section, lines=lines, links=links)


def _narrowed(section: Section, width: int) -> Section:
    lines = tuple(line if len(line) <= width else f"{line[: width - 3]}..." for line in section.lines)
    return replace(section, lines=lines)


@dataclass(frozen=True)
class _Marks:
    """How one style writes the parts."""

    value: Callable[[str], str]
    heading: Callable[[str], str]
    lines: Callable[[Sequence[str]], str]
    block: Callable[[Sequence[str]], str]
    page: Callable[[str], str]
    command: Callable[[str], str]
    title: Callable[[str], str]
    between: str = "\n\n"


def _written(section: Section, marks: _Marks) -> str:
    if section.block:
        return marks.heading(section.heading) + marks.block(section.lines)
    linked = [
        f"{marks.value(link.label)}: {(marks.page if escape.is_page(link.target) else marks.command)(link.target)}"
        for link in section.links
    ]
    return marks.heading(section.heading) + marks.lines([*map(marks.value, section.lines), *linked])


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) if len(lines) > 1 else "".join(lines)


def _fenced(lines: Sequence[str]) -> str:
    return "\n".join(("```", *map(escape.fenced, lines), "```"))


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


_MARKS = {
    Style.TEXT: _Marks(
        value=str, heading=lambda name: f"{name}:\n", lines=_indented, block=_indented, page=str, command=str, title=str
    ),
    Style.MARKDOWN: _Marks(
        value=escape.markdown,
        heading=lambda name: f"**{name}**\n\n",
        lines=_listed,
        block=_fenced,
        page=lambda page: f"<{page}>",
        command=escape.code,
        title=escape.markdown,
    ),
    Style.GOOGLE: _Marks(
        value=escape.chat,
        heading=lambda name: f"*{name}*\n",
        lines=_listed,
        block=_fenced,
        page=str,
        command=escape.code,
        title=escape.chat,
    ),
    Style.SLACK: _Marks(
        value=escape.slack,
        heading=lambda name: f"{name}:\n",
        lines=_indented,
        block=lambda lines: _indented([escape.slack(line) for line in lines]),
        page=escape.slack,
        command=escape.slack,
        title=escape.chat,  # apprise escapes it once more
    ),
    Style.HTML: _Marks(
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
