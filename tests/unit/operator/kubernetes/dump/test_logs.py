"""The logs of a dump are read line by line; their ends are kept."""

import tracemalloc

import pytest

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.dump.logs import LogId, read_logs


@pytest.fixture
def pod(tmp_path):
    folder = tmp_path / "shop" / "web-a"
    folder.mkdir(parents=True)
    return folder


def of(container, *, previous=False):
    return LogId("shop", "web-a", container, previous)


def block(container, text, pod="shop/web-a", end=True):
    last = f"==== END logs for container {container} of pod {pod} ====\n" if end else ""
    return f"==== START logs for container {container} of pod {pod} ====\n{text}{last}"


def test_each_container_has_its_lines(pod):
    (pod / "logs.txt").write_text(
        block("app", "one\n==== START logs for container x of pod shop/web-a ====\ntwo\n")
        + block("sidecar", "")
        + block("other", "not ours\n", pod="shop/web-b")
        + block("gone", "Request log error: no such container\n")
        + block("last", "cut off", end=False)
    )
    assert dict(read_logs(pod / "logs.txt")) == {
        of("app"): "one\n==== START logs for container x of pod shop/web-a ====\ntwo\n",
        of("sidecar"): "",
        of("last"): "cut off",
    }


def test_a_file_of_one_container(pod):
    (pod / "app.previous.log").write_bytes(b"one\r\ntwo \xff")
    assert dict(read_logs(pod / "app.previous.log")) == {of("app", previous=True): "one\r\ntwo \ufffd"}


@pytest.mark.parametrize("name", ["logs.txt", "app.log"])
def test_of_a_large_log_the_end_is_kept(pod, name):
    text = "".join(f"{number} {'x' * 100}\n" for number in range(100_000))
    (pod / name).write_text(block("app", text) if name == "logs.txt" else text)
    tracemalloc.start()
    try:
        ((log, kept),) = read_logs(pod / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert log == of("app")
    assert text.endswith(kept)
    assert len(kept.splitlines()) == 1000
    assert peak < len(text) / 10


def test_a_file_that_cannot_be_read_is_named(pod):
    with pytest.raises(InvalidFile, match=r"app\.log"):
        list(read_logs(pod / "app.log"))
