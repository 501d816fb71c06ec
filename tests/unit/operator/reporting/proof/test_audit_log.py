"""Files that are no audit log, and keys that are none."""

import json
import sys

import pytest
from fakes.proof import an_event, at

from prunella_operator.json_text import InvalidFile
from prunella_operator.reporting.proof.audit_log import read_audit_log
from prunella_operator.reporting.proof.signing import read_private_key, read_public_key

GOOD = json.dumps(an_event(0))


def read(*files):
    return read_audit_log(files, lambda _: True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD[:-9], "Input data was truncated"),
        (json.dumps(an_event(0, objectRef=None)), "Expected `object`, got `null` - at `$.objectRef`"),
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"kind": "List"}', "Invalid enum value 'List' - at `$.kind`"),
        (json.dumps(an_event(0, auditID=1)), "Expected `str`, got `int` - at `$.auditID`"),
        (json.dumps(an_event(0, stageTimestamp="yesterday")), "Invalid RFC3339 encoded datetime"),
        (json.dumps(an_event(0, stageTimestamp="2026-03-04T12:00:00")), "timezone component"),
        ('{"kind": "\ud800"}', "can't decode"),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path, line, reason):
    file = tmp_path / "audit.log"
    file.write_text(f"{GOOD}\n{line}\n", errors="surrogatepass")
    with pytest.raises(InvalidFile, match=r"audit.log:2: this is no event of audit.k8s.io/v1") as raised:
        read(file)
    assert reason in str(raised.value)


def test_an_empty_log_and_a_missing_file(tmp_path):
    (tmp_path / "empty").write_text("")
    with pytest.raises(InvalidFile, match="the audit log has no events"):
        read(tmp_path / "empty")
    with pytest.raises(InvalidFile, match=r"gone: No such file"):
        read(tmp_path / "gone")


def test_rotated_files_are_one_log_in_any_order(tmp_path):
    files = [tmp_path / "new", tmp_path / "old"]
    for file, seconds in zip(files, (100, 0), strict=True):
        file.write_text(json.dumps(an_event(seconds, body={})))
    begins = an_event(0, stage="RequestReceived")
    files[1].write_text(f"{json.dumps(begins)}\n{GOOD}")
    log = read(*files)
    assert (log.events, log.first, log.last) == (3, at(0), at(100))
    assert [(write.place, write.body) for write in log.writes] == [(f"{files[0]}:1", {}), (f"{files[1]}:2", {})]


def test_a_client_may_choose_the_audit_id_of_its_requests(tmp_path):
    file = tmp_path / "audit.log"
    file.write_text("\n".join(json.dumps(an_event(seconds, auditID="mine")) for seconds in (0, 1)))
    assert read(file).events == 2


def test_a_last_line_that_is_not_finished_says_so(tmp_path):
    file = tmp_path / "audit.log"
    file.write_text(f"{GOOD}\n{GOOD[:90]}")
    with pytest.raises(InvalidFile, match=r"audit.log:2: .*the last line has no end, so it is cut off"):
        read(file)


@pytest.mark.parametrize("line", [an_event(1, user={}, responseStatus={"code": 401}), an_event(1, user={})])
def test_a_request_of_no_known_user_and_about_no_object_is_counted(tmp_path, line):
    """The API server logs a failed authentication so."""
    file = tmp_path / "audit.log"
    del line["objectRef"]
    file.write_text(f"{GOOD}\n{json.dumps(line)}\n")
    log = read(file)
    assert (log.events, {write.user for write in log.writes[1:]}) == (2, {""} if len(log.writes) > 1 else set())


def test_a_body_that_is_nested_too_deeply_is_named(tmp_path):
    file = tmp_path / "audit.log"
    deep = "[" * 900 + "]" * 900
    file.write_text(json.dumps(an_event(0, body="BODY")).replace('"BODY"', deep) + "\n")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(500)
    try:
        with pytest.raises(InvalidFile, match=r"audit.log:1"):
            read(file)
    finally:
        sys.setrecursionlimit(limit)


def test_of_what_is_not_wanted_no_body_is_read(tmp_path):
    file = tmp_path / "audit.log"
    file.write_text(f"{json.dumps(an_event(0, body={'spec': {}}))}\n{json.dumps(an_event(1, body={'spec': {}}))}\n")
    seen = []
    log = read_audit_log([file], lambda write: not seen.append(write) and len(seen) == 2)
    assert [write.body for write in seen] == [None, None]
    assert [write.body for write in log.writes] == [{"spec": {}}]


def test_what_is_under_way_at_the_end_of_the_log_is_no_gap(tmp_path):
    file = tmp_path / "audit.log"
    file.write_text(f"{GOOD}\n{json.dumps(an_event(50, stage='RequestReceived'))}\n")
    assert read(file).events == 2


def test_keys(tmp_path, make_keys):
    private, public = make_keys("proof")
    check = read_public_key(public)
    signature = read_private_key(private)(b"text")
    assert check(b"text", signature)
    assert not check(b"test", signature)
    assert not check(b"text", "no digits")


@pytest.mark.parametrize("read_key", [read_private_key, read_public_key])
def test_files_that_are_no_key(tmp_path, make_keys, read_key):
    private, public = make_keys("proof")
    other = public if read_key is read_private_key else private
    (tmp_path / "text").write_text("no key")
    for path, reason in ((other, "this is no key in PEM"), (tmp_path / "text", "no key"), ("gone", "No such file")):
        with pytest.raises(InvalidFile, match=reason):
            read_key(str(path))
