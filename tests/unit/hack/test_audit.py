"""The audit of the lock files, against a server that speaks as PyPI does, or not at all."""

import hashlib
import socket
from datetime import timedelta

import pytest
from fakes.httpd import Answer, Httpd
from lockaudit import cli
from lockaudit.advisories import NoResponse, query
from lockaudit.locks import Package

from prunella_operator import clock

TODAY = clock.now().date()
VULNERABLE = {
    "id": "PYSEC-2026-7",
    "aliases": ["CVE-2026-1234"],
    "details": "Long words.",
    "fixed_in": ["1.2.1", "2.0"],
    "link": "https://osv.dev/vulnerability/PYSEC-2026-7",
    "source": "osv",
    "summary": None,
    "withdrawn": None,
}
LINE = (
    "audit: known vulnerability: beta 1.2: PYSEC-2026-7 CVE-2026-1234: fixed in 1.2.1, 2.0 "
    "https://osv.dev/vulnerability/PYSEC-2026-7"
)


def pin(name, version="1.2", *hashed):
    hashes = [hashlib.sha256(content.encode()).hexdigest() for content in hashed or (name,)]
    return "".join([f"{name}=={version}", *(f" \\\n    --hash=sha256:{digest}" for digest in hashes), "\n"])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "requirements-image.lock").write_text("# made by a tool\n" + pin("alpha") + pin("beta"))
    for image in ("client", "embedded", "telemetry", "orders"):
        (tmp_path / f"requirements-{image}.lock").write_text(pin("alpha"))
    everything = [pin("alpha"), pin("beta", "1.2", "beta", "beta-wheel"), pin("gamma"), pin("delta")]
    (tmp_path / "requirements.lock").write_text("".join(everything))
    (tmp_path / "allowed.toml").touch()
    return tmp_path


@pytest.fixture
def pypi():
    """PyPI's JSON API, without vulnerabilities until a test adds some."""
    with Httpd() as server:
        server.known = {}
        server.answer = lambda queried: Answer(200, {"info": {}, "vulnerabilities": server.known.get(queried.path, [])})
        yield server


def audit(folder, source, *options):
    allowed = str(folder / "allowed.toml")
    return cli.main(["--folder", str(folder), "--allowed", allowed, "--source", source, *options])


def allow(folder, **values):
    entry = {"package": '"beta"', "id": '"CVE-2026-1234"', "reason": '"not used"', "until": TODAY} | values
    text = "".join(f"{name} = {value}\n" for name, value in entry.items())
    (folder / "allowed.toml").write_text(f"[[allowed]]\n{text}")


def test_each_locked_version_is_asked_for_once(folder, pypi, capsys):
    assert audit(folder, pypi.url) == 0
    assert sorted(request.path for request in pypi.asked) == [
        f"/{name}/1.2/json" for name in ("alpha", "beta", "delta", "gamma")
    ]
    raw = capsys.readouterr()
    assert (raw.out, raw.err) == (
        f"audit: 4 packages, none with a known vulnerability that is not allowed ({TODAY})\n",
        "",
    )


def test_a_known_vulnerability_fails_with_all_a_person_needs(folder, pypi, capsys):
    pypi.known["/beta/1.2/json"] = [VULNERABLE]
    for options in ((), ("--may-be-offline",)):
        assert audit(folder, pypi.url, *options) == 1
        assert capsys.readouterr().err == LINE + "\n"


def test_one_without_a_fix_says_so_and_a_withdrawn_one_is_none(folder, pypi, capsys):
    pypi.known["/beta/1.2/json"] = [
        {"id": "GHSA-1", "fixed_in": []},
        VULNERABLE | {"withdrawn": "2026-01-01T00:00:00Z"},
    ]
    assert audit(folder, pypi.url) == 1
    assert capsys.readouterr().err == "audit: known vulnerability: beta 1.2: GHSA-1: no version has a fix\n"


def test_an_entry_of_the_list_holds_to_the_end_of_its_last_day(folder, pypi, capsys):
    pypi.known["/beta/1.2/json"] = [VULNERABLE]
    allow(folder)
    assert audit(folder, pypi.url) == 0
    allow(folder, until=TODAY - timedelta(days=1))
    assert audit(folder, pypi.url) == 1
    assert capsys.readouterr().err == f"{LINE} (was allowed until {TODAY - timedelta(days=1)})\n"


def test_an_entry_is_for_its_package_and_goes_when_nothing_needs_it(folder, pypi, capsys):
    pypi.known["/beta/1.2/json"] = [VULNERABLE]
    allow(folder, package='"alpha"')
    assert audit(folder, pypi.url) == 1
    unused = f"audit: matches no known vulnerability: alpha CVE-2026-1234, allowed until {TODAY} (not used)"
    assert capsys.readouterr().err.splitlines() == [LINE, unused]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"reason": '""'}, "reason is not a str, or is empty"),
        ({"until": '"soon"'}, "until is not a date, or is empty"),
        ({"until": TODAY + timedelta(days=91)}, "ends more than 90 days from now"),
        ({"why": '"?"'}, "needs exactly package, id, reason, until"),
    ],
)
def test_an_entry_without_reason_or_end_is_refused_before_anything_is_asked(folder, pypi, capsys, values, says):
    allow(folder, **values)
    assert audit(folder, pypi.url, "--may-be-offline") == 1
    assert capsys.readouterr().err == f"audit: allowed.toml: entry 1: {says}\n"
    assert pypi.asked == []


def test_a_mirror_without_advisories_is_told_and_asked_no_further(folder, pypi, capsys):
    pypi.answer = lambda _asked: Answer(404, {"message": "Not Found"})
    line = f"audit: NOTHING WAS AUDITED for known vulnerabilities: {pypi.url}/alpha/1.2/json returned 404\n"
    assert audit(folder, pypi.url) == 3
    assert capsys.readouterr() == ("", line)
    assert len(pypi.asked) == 3
    assert audit(folder, pypi.url, "--may-be-offline") == 0
    assert capsys.readouterr() == ("", line)


def test_a_silent_or_absent_source_is_told(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as unanswered:
        source = f"http://127.0.0.1:{unanswered.getsockname()[1]}"
        assert audit(folder, source, "--may-be-offline", "--seconds", "0.2") == 0
        assert "NOTHING WAS AUDITED" in capsys.readouterr().err
    assert audit(folder, source) == 3
    assert "Connection refused" in capsys.readouterr().err


def test_what_some_answers_lack_does_not_hide_what_others_say(folder, pypi, capsys):
    clean = pypi.answer
    pypi.known["/beta/1.2/json"] = [VULNERABLE]
    pypi.answer = lambda queried: Answer(500) if "gamma" in queried.path else clean(queried)
    assert audit(folder, pypi.url, "--may-be-offline") == 1
    missing, found = capsys.readouterr().err.splitlines()
    assert found == LINE
    assert missing.startswith("audit: 1 of 4 packages were NOT AUDITED")
    pypi.known.clear()
    assert audit(folder, pypi.url) == 3


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b'{"vulnerabilities": null}', b'{"vulnerabilities": [{}]}', b'{"vulnerabilities": 1}'],
)
def test_an_answer_of_another_shape_is_no_answer(pypi, body):
    pypi.answer = lambda _asked: Answer(200, body)
    with pytest.raises(NoResponse, match="as PyPI documents it"):
        query(Package("alpha", "1.2"), pypi.url)
    pypi.answer = lambda _asked: Answer(0)
    with pytest.raises(NoResponse, match="no response"):
        query(Package("alpha", "1.2"), pypi.url)


@pytest.mark.parametrize(
    ("lock", "text", "says"),
    [
        ("requirements.lock", "zeta==1.0\n", "requirements.lock: zeta 1.0 has no hash"),
        ("requirements.lock", "zeta>=1.0\n", "requirements.lock:10: neither a pin nor a hash: zeta>=1.0"),
        ("requirements.lock", "zeta @ https://a.example/zeta.whl\n", "zeta @ https://a.example/zeta.whl"),
        ("requirements.lock", "--extra-index-url https://a.example/\n", "--extra-index-url https://a.example/"),
        ("requirements.lock", "-e git+https://a.example/zeta\n", "-e git+https://a.example/zeta"),
        ("requirements-image.lock", pin("zeta"), "requirements-image.lock: zeta 1.2 is not in requirements.lock"),
        ("requirements-telemetry.lock", pin("eta"), "requirements-telemetry.lock: eta 1.2 is not in requirements.lock"),
        ("requirements-image.lock", pin("gamma", "1.3"), "gamma 1.3 is not in requirements.lock"),
        (
            "requirements-image.lock",
            pin("gamma", "1.2", "x"),
            "gamma 1.2 has hashes that requirements.lock does not have",
        ),
    ],
)
def test_what_is_not_pinned_with_a_hash_and_tested_fails_offline_too(folder, capsys, lock, text, says):
    with (folder / lock).open("a") as file:
        file.write(text)
    assert audit(folder, "http://absent.invalid", "--may-be-offline") == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.endswith(says)


def test_our_own_lock_files_and_list_are_in_order(capsys):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        unreachable = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert cli.main(["--source", unreachable, "--may-be-offline"]) == 0
    assert "NOTHING WAS AUDITED" in capsys.readouterr().err
