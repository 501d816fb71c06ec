"""Encrypted payloads: unreadable without the key, keys can be rotated, and errors are reported."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.encryption import check_payloads
from prunella_operator.temporal.payload_codec import (
    CannotDecrypt,
    EncryptionCodec,
    KeyFile,
    KeyFileError,
    data_converter,
    key_id,
    parse_keys,
)

ONE, TWO = secrets.token_bytes(32), secrets.token_bytes(32)
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"canary"')


def text(*keys):
    return "\n".join(base64.b64encode(key).decode() for key in keys) + "\n"


@pytest.fixture
def file(tmp_path):
    """A codec whose file has these keys now."""
    path = tmp_path / "keys"
    path.write_text(text(ONE))
    return path


@pytest.fixture
def codec(file):
    return EncryptionCodec(KeyFile(file))


async def test_there_and_back(codec):
    (sealed,) = await codec.encode([PLAIN])
    assert b"canary" not in sealed.SerializeToString()
    assert sealed.metadata["encoding"] == b"binary/encrypted"
    assert sealed.metadata["encryption-key-id"].decode() == key_id(ONE)
    assert await codec.decode([sealed]) == [PLAIN]


async def test_the_same_value_looks_different_each_time(codec):
    first, second = await codec.encode([PLAIN, PLAIN])
    assert first.data != second.data


async def test_what_was_stored_before_stays_readable(codec):
    assert await codec.decode([PLAIN, *await codec.encode([PLAIN])]) == [PLAIN, PLAIN]


async def test_keys_are_exchanged_while_it_runs(codec, file):
    """First every process reads the new key, then it is used, then the old key is removed."""
    (old,) = await codec.encode([PLAIN])
    file.write_text(text(ONE, TWO))
    (still,) = await codec.encode([PLAIN])
    assert still.metadata["encryption-key-id"].decode() == key_id(ONE)
    file.write_text(text(TWO, ONE) + "# exchanged\n")
    (new,) = await codec.encode([PLAIN])
    assert new.metadata["encryption-key-id"].decode() == key_id(TWO)
    assert await codec.decode([old, still, new]) == [PLAIN] * 3
    file.write_text(text(TWO))
    assert await codec.decode([new]) == [PLAIN]
    with pytest.raises(CannotDecrypt, match=f"{key_id(ONE)}, but payload_key_file has: {key_id(TWO)}"):
        await codec.decode([old])


async def test_a_file_that_is_broken_later_changes_nothing(codec, file):
    (sealed,) = await codec.encode([PLAIN])
    for nonsense in ("", "not base64!", text(b"short"), None):
        if nonsense is None:
            file.unlink()
        else:
            file.write_text(nonsense)
        assert await codec.decode([sealed]) == [PLAIN]
    file.write_text(text(ONE, TWO))
    assert await codec.decode([sealed]) == [PLAIN]


async def test_without_a_key_nothing_is_encrypted_and_what_is_says_so(codec):
    bare = EncryptionCodec()
    assert await bare.encode([PLAIN]) == [PLAIN]
    with pytest.raises(CannotDecrypt, match="payload_key_file has: none"):
        await bare.decode(await codec.encode([PLAIN]))


@given(st.integers(0, 10_000), st.integers(1, 255))
async def test_what_was_changed_is_noticed(place, change):
    codec = EncryptionCodec(Keys())
    (sealed,) = await codec.encode([PLAIN])
    data = bytearray(sealed.data)
    data[place % len(data)] ^= change
    with pytest.raises(CannotDecrypt, match="was changed"):
        await codec.decode([Payload(metadata=sealed.metadata, data=bytes(data))])


async def test_a_payload_cut_short_is_noticed(codec):
    (sealed,) = await codec.encode([PLAIN])
    for length in (0, 5, 12, 20):
        with pytest.raises(CannotDecrypt, match="was changed"):
            await codec.decode([Payload(metadata=sealed.metadata, data=sealed.data[:length])])


class Keys:
    """A file of keys that is not one."""

    def keys(self):
        return parse_keys(text(ONE))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it contains no key"),
        ("# nothing yet\n", "it contains no key"),
        ("not base64!\n", "line 1 is not base64"),
        (text(ONE) + "c2hvcnQ=\n", "line 2 is a key of 5 bytes instead of 32: openssl rand -base64 32"),
    ],
    ids=["empty", "only a comment", "not base64", "too short"],
)
def test_a_file_that_makes_no_sense_says_why_and_shows_no_key(content, words, file):
    file.write_text(content)
    with pytest.raises(KeyFileError) as raised:
        data_converter(str(file))
    assert words in str(raised.value)
    assert str(file) in str(raised.value)
    assert base64.b64encode(ONE).decode() not in str(raised.value)
    assert not check_payloads(Settings.load({"payload_key_file": str(file)})).passed


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(KeyFileError, match="No such file"):
        data_converter(str(tmp_path / "none"))


def test_doctor_says_which_key_encrypts(file):
    file.chmod(0o600)
    check = check_payloads(Settings.load({"payload_key_file": str(file)}))
    assert (check.passed, check.message) == (True, f"encrypts with {key_id(ONE)}, decrypts with 1 key(s)")
    file.chmod(0o644)
    assert "world-readable" in check_payloads(Settings.load({"payload_key_file": str(file)})).message
    assert "plain text" in check_payloads(Settings.load({})).message


def test_keys_are_shown_nowhere(codec):
    codec.file.keys()
    assert base64.b64encode(ONE).decode() not in repr(codec)
    assert "AESGCM" not in repr(codec)
