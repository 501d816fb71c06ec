"""JSON of files: each error names the place."""

import pytest

from prunella_operator.json_text import InvalidFile, parse_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": [1,', "line 1, column 10: Expecting value"),
        ("{\n  oops\n}", "line 2, column 3: Expecting property name"),
        (b'{"a": "\xff"}', "byte 7: this is no text"),
        (b"\x80\x81", "byte 0: this is no text"),
        ("[" * 100_000, "it is nested too deeply"),
        (b"[" * 100_000, "it is nested too deeply"),
        ("", "line 1, column 1: Expecting value"),
    ],
)
def test_what_cannot_be_read_names_the_place(text, reason):
    with pytest.raises(InvalidFile) as raised:
        parse_json(text, "one.json")
    assert str(raised.value).startswith(f"one.json: {reason}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes_may_have_any_encoding_of_unicode(encoding):
    assert parse_json('{"a": "ä"}'.encode(encoding), "one.json") == {"a": "ä"}
