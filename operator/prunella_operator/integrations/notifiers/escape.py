"""Foreign text made harmless: what comes from pods, alerts and objects may hold markup, mentions and line breaks.

Every value passes `plain` once (control characters, secrets) and then the escape of the format it is put into.
"""

import re
from html import escape as escape_html

from prunella_workflows.model.redaction import names_secret, redact

_BREAK = "\u200b"  # zero width space: it parts a mention without being seen
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_BLANK = re.compile(r"\s+")
_MENTION = re.compile(r"@(?!sha256:)(?=\S)|<(?=[!@#\w])|#(?=\d)")
_MARKDOWN = re.compile(r"[\\`*\[\]<>~|&]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_PAGE = re.compile(r"https?://[^\s<>\"'`\\\x00-\x1f\u200b-\u200f\u2028-\u202e\u2060-\u2069]+\Z")
_PART = re.compile(r"[^/?&=#:.]+")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """One line of text without control characters, invisible or turned-about letters, and secrets."""
    return redact(_BLANK.sub(" ", _CONTROL.sub(" ", text))).strip()


def plain_code(line: str) -> str:
    """The same for a line of code, such as one of a diff, which keeps its indentation."""
    return redact(_CONTROL.sub(" ", line).replace("\t", "    ").rstrip())


def plain_target(target: str) -> str:
    """The target of a link: the ids in the path of a page are no secrets, what else looks like one is taken out."""
    words = target.partition("?")[2]
    if not is_page(target) or "@" in target or any(names_secret(part.partition("=")[0]) for part in words.split("&")):
        return plain(target)
    return _PART.sub(lambda match: redact(match[0]), target)


def is_page(target: str) -> bool:
    """Whether it is the address of a page that may be linked to; a command, or a script, is not."""
    return _PAGE.match(target) is not None


def chat(value: str) -> str:
    """For chats: nobody is called by a mention that a pod or a label wrote."""
    return _MENTION.sub(lambda match: match[0] + _BREAK, value)


def markdown(value: str) -> str:
    """For Markdown (CommonMark), at the beginning of a line or within; mentions are parted."""
    return chat(_MARKDOWN.sub(lambda match: "\\" + match[0], value))


def code(value: str) -> str:
    """For a code span of Markdown."""
    return f"`{chat(value).replace('`', _BREAK)}`"


def fenced(line: str) -> str:
    """For a line of a code block of Markdown, which it cannot end."""
    return _FENCE.sub("''", chat(line))


def slack(value: str) -> str:
    """For Slack, where these three letters begin all that is not text, and nothing else does."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(value: str) -> str:
    """For HTML, in text and in attributes."""
    return escape_html(value, quote=True)
