"""Escape foreign text, which may contain markup and mentions: by `plain` once, then by the escape of its format."""

import re
from html import escape as escape_html

from prunella_workflows.model.redaction import names_secret, redact

_BREAK = "\u200b"  # zero width space: it breaks a mention invisibly
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_BLANK = re.compile(r"\s+")
_MENTION = re.compile(r"@(?!sha256:)(?=\S)|<(?=[!@#\w])|#(?=\d)")
_MARKDOWN = re.compile(r"[\\`*\[\]<>~|&]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_PAGE = re.compile(r"https?://[^\s<>\"'`\\\x00-\x1f\u200b-\u200f\u2028-\u202e\u2060-\u2069]+\Z")
_PART = re.compile(r"[^/?&=#:.]+")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """Make one line of text, without control, invisible and bidirectional characters, and without secrets."""
    return redact(_BLANK.sub(" ", _CONTROL.sub(" ", text))).strip()


def plain_code(line: str) -> str:
    """Do the same for a line of code, such as one of a diff, but keep its indentation."""
    return redact(_CONTROL.sub(" ", line).replace("\t", "    ").rstrip())


def plain_target(target: str) -> str:
    """Clean the target of a link: mask what looks like a secret, but not the ids in the path of a page."""
    query = target.partition("?")[2]
    if not is_page(target) or "@" in target or any(names_secret(part.partition("=")[0]) for part in query.split("&")):
        return plain(target)
    return _PART.sub(lambda match: redact(match[0]), target)


def is_page(target: str) -> bool:
    """Check whether it is the address of a page that may be linked to, not a command or a script."""
    return _PAGE.match(target) is not None


def chat(value: str) -> str:
    """Escape for chats: a mention in the text of a pod or a label must notify no one."""
    return _MENTION.sub(lambda match: match[0] + _BREAK, value)


def markdown(value: str) -> str:
    """Escape for Markdown (CommonMark), at the beginning of a line or within; mentions are broken."""
    return chat(_MARKDOWN.sub(lambda match: "\\" + match[0], value))


def code(value: str) -> str:
    """Escape for a code span of Markdown."""
    return f"`{chat(value).replace('`', _BREAK)}`"


def fenced(line: str) -> str:
    """Escape a line of a Markdown code block, so that it cannot end the block."""
    return _FENCE.sub("''", chat(line))


def slack(value: str) -> str:
    """Escape for Slack, where only these three characters begin markup."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(value: str) -> str:
    """Escape for HTML, in text and in attributes."""
    return escape_html(value, quote=True)
