"""PromQL templates of policies and playbooks: their placeholders, and how values are inserted safely.

A placeholder ($namespace or ${namespace}) is allowed only inside the quoted value of a label matcher. There its value
is escaped: with =~ and !~ for the regex (RE2) first, then for the quotes.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*')" + r"|(?P<other>`[^`]*`|#[^\n]*)|(?P<open>[\"'`])"
)
_PLACEHOLDER = r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))"
_UNIT = re.compile(rf"\\.|{_PLACEHOLDER}")
_MATCHER = re.compile(r"(=~|!~|!=|=)\s*\Z")
_RANGE = re.compile(r"\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*[\]:]")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_REGEX_SIGNS = re.compile(r"[\\.+*?()|\[\]{}^$]")  # those of Go's regexp.QuoteMeta
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ufffd]")  # the last one, as itself, is bad UTF-8 to Prometheus
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # JSON can carry half a character; nothing can send it on
_NOTHING = r"[^\x00-\x{10FFFF}]"
"""RE2's own notation for a regex that matches nothing, not even the empty value of a missing label."""

Render = Callable[[str, str, str], str]


class Values(NamedTuple):
    """The values of the placeholders. `pods` are the names of the pods; without any, $pods matches nothing."""

    namespace: str
    workload: str
    kind: str
    pods: Sequence[str] = ()


def check(template: str) -> None:
    """Check that the placeholders can be filled in.

    Raises:
        ValueError: a placeholder is unknown or in a place where it cannot be escaped, or a string is not closed.
    """
    _render_template(template, lambda _name, _operator, _mark: "")


def fill(template: str, values: Values) -> str:
    """The query. Whatever the values are, it has the strings and matchers of the template and no others.

    Raises:
        ValueError: as for `check`.
    """

    def render(name: str, operator: str, mark: str) -> str:
        if name == "pods":
            return escape(match_any(values.pods), mark)
        value = str(getattr(values, name))
        return escape(escape_regex(value) if operator.endswith("~") else value, mark)

    return _render_template(template, render)


def escape(text: str, mark: str = '"') -> str:
    """Escape the text for use between these quotation marks in PromQL."""
    known = _SURROGATE.sub("\ufffd", text).replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", known)


def escape_regex(text: str) -> str:
    """A regex that matches exactly this text."""
    return _REGEX_SIGNS.sub(lambda found: f"\\{found[0]}", text)


def match_any(texts: Sequence[str]) -> str:
    """A regex that matches exactly these texts, or nothing if there are none."""
    return f"(?:{'|'.join(map(escape_regex, texts))})" if texts else _NOTHING


def lookback(query: str) -> float:
    """The longest range of the query, in seconds."""
    code = _TOKEN.sub("", query)
    return max((_seconds(found) for found in _RANGE.findall(code)), default=0.0)


def _seconds(duration: str) -> float:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def _render_template(template: str, render: Render) -> str:
    done, place = "", 0
    for token in _TOKEN.finditer(template):
        code = template[place : token.start()]
        place = token.end()
        if token["open"]:
            raise ValueError(f"a string that begins with {token['open']} is not closed")
        matcher = _MATCHER.search(code)
        if token["string"] and matcher:
            done += _outside(code) + _value(token["string"], matcher[1], render)
        else:
            done += _outside(code + token[0])
    return done + _outside(template[place:])


def _outside(text: str) -> str:
    """Reject placeholders outside of quotes, where their values could not be escaped."""
    if found := re.search(_PLACEHOLDER, text):
        name = _known(found)
        raise ValueError(f'${name} must stand inside the quoted value of a label, such as {{namespace="$namespace"}}')
    return text


def _value(string: str, operator: str, render: Render) -> str:
    mark, regex = string[0], operator.endswith("~")

    def replaced(found: re.Match[str]) -> str:
        if found[0].startswith("\\"):
            return found[0]
        name = _known(found)
        if name == "pods" and not regex:
            raise ValueError('$pods is a regex: write pod=~"$pods"')
        if regex and string[: found.start()].endswith("\\"):
            raise ValueError(f"${name} must not follow a backslash")
        return render(name, operator, mark)

    return _UNIT.sub(replaced, string)


def _known(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    if name not in Values._fields:
        there = ", ".join(f"${field}" for field in Values._fields)
        raise ValueError(f"${name} is not a placeholder; use one of {there}")
    return name
