"""Doctor check of the keys of links in messages."""

import pytest

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.answer_links import check_links


@pytest.fixture
def keys(tmp_path):
    (path := tmp_path / "keys").write_text("a" * 32 + "\n" + "b" * 32 + "\n")
    path.chmod(0o600)
    return path


def links(keys, **values):
    given = {"link_key_file": str(keys), "console_url": "https://prunella.example.org", **values}
    return check_links(Settings.load({name: value for name, value in given.items() if value}))


def test_keys_of_links(keys):
    check = links(keys)
    assert check.passed
    assert check.message == "links to https://prunella.example.org are valid for 24 h, 2 key(s)"


def test_without_keys_there_are_no_links():
    assert check_links(Settings.load({})) is None


def test_links_need_an_address(keys):
    check = links(keys, console_url="")
    assert (check.passed, check.message) == (False, "link_key_file needs console_url: the links lead there")


def test_a_key_that_is_too_short_is_not_shown(keys):
    keys.write_text("short-key")
    check = links(keys)
    assert not check.passed
    assert "at least 32 characters" in check.message
    assert "openssl rand" in check.fix
    assert "short-key" not in str(check)


def test_keys_that_all_can_read(keys):
    keys.chmod(0o644)
    check = links(keys)
    assert (check.passed, check.message) == (False, f"{keys} is world-readable")
