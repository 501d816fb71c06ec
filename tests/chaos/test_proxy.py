"""The proxy injects each of its faults: chaos that injects nothing would find nothing."""

import asyncio
import subprocess
from collections import Counter

import aiohttp
import pytest
from chaos.fault_injection import (
    ACTIONS,
    POINTS,
    SINGLE_PROCESS,
    TARGETS,
    injection_point,
    plan_round,
    plan_short_round,
    retry_next_round,
)
from chaos.proxy import FAULTS, RATES, Call, NetworkFaults, Proxy
from fakes.apiserver import FakeApi, raw

PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
UNDO = b'[{"op":"add","path":"/metadata/annotations/prunella.dev~1last-action","value":"uid-1-undo"}]'


class Open:
    """A gate that lets everything pass, or returns a fixed order."""

    def __init__(self, order="forward"):
        self.order, self.seen = order, []

    def before(self, call):
        return self.order

    def after(self, call, code):
        self.seen.append((call.who, code))


class Always(NetworkFaults):
    def __init__(self, fault):
        super().__init__()
        self._fault = fault

    def fault(self, call):
        return self._fault, 0.1


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    key, certificate = folder / "key", folder / "crt"
    made = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
    ]
    name = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *made, *name], check=True, capture_output=True)
    return certificate, key


async def ask(proxy, who="worker"):
    """The answer's code; 0 when there is none."""
    url = f"https://127.0.0.1:{proxy.ports[who]}{PATH}"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.patch(url, data=UNDO, ssl=proxy._trust) as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0


@pytest.mark.parametrize(
    ("fault", "code", "effects"),
    [("", 200, 1), ("409", 409, 0), ("429", 429, 0), ("500", 500, 0), ("time-out", 0, 0), ("lost reply", 0, 1)],
)
async def test_each_fault_is_what_it_is_called(pair, fault, code, effects):
    async with FakeApi() as api:
        api.others.append(raw(b"{}"))
        with Proxy(api.access.server, str(pair[0]), *pair, Open()) as proxy:
            proxy.network_faults = Always(fault)
            assert await ask(proxy) == code
        assert [request.body for request in api.requests] == [UNDO] * effects


async def test_a_late_call_has_its_effect_after_its_caller_gave_up(pair):
    async with FakeApi() as api:
        api.others.append(raw(b"{}"))
        with Proxy(api.access.server, str(pair[0]), *pair, Open()) as proxy:
            proxy.network_faults = Always("late")
            assert (await ask(proxy), api.requests) == (0, [])
            await asyncio.sleep(0.4)
            assert len(api.requests) == 1


@pytest.mark.parametrize(("order", "code"), [("forward", 200), ("drop", 0)])
async def test_the_gate_decides(pair, order, code):
    async with FakeApi() as api:
        api.others.append(raw(b"{}"))
        gate = Open(order)
        with Proxy(api.access.server, str(pair[0]), *pair, gate) as proxy:
            assert await ask(proxy, "operator") == code
        assert gate.seen == ([("operator", 200)] if code else [])


def test_the_same_seed_is_the_same_chaos():
    calls = [Call("worker", method, PATH) for method in RATES for _ in range(200)]
    first, second = (
        [network_faults.fault(call) for call in calls]
        for network_faults in (NetworkFaults("7", 2.0), NetworkFaults("7", 2.0))
    )
    assert first == second
    assert {fault for fault, _ in first} == {"", *FAULTS}
    assert plan_round("7", 3, 30) == plan_round("7", 3, 30) != plan_round("8", 3, 30)


@pytest.mark.parametrize("targets", [TARGETS, SINGLE_PROCESS])
def test_every_target_is_killed_and_stopped_at_every_point_once(targets):
    rounds = len(targets) * len(ACTIONS)
    numbers = range(rounds, 2 * rounds)
    injections = [injection for number in numbers for injection in plan_round("7", number, 30, targets)]
    cells = {injection.cell for injection in injections}
    assert cells == {(target, how, point) for target in targets for how in ACTIONS for point in POINTS}


def test_the_cheap_strikes_come_twice():
    cells = Counter(injection.cell for number in range(60) for injection in plan_round("7", number, 30))
    assert {cells[cell] for cell in cells if cell[0] in {"etcd", "kube-apiserver"}} == {6}
    assert {cells[cell] for cell in cells if cell[0] not in {"etcd", "kube-apiserver"}} == {6 + 8}


def test_each_round_strikes_at_every_point_and_everybody():
    injections = plan_round("7", 3, 30)
    assert len(injections) == 18
    assert {injection.point for injection in injections} == set(POINTS)
    assert {(injection.target, injection.action) for injection in injections} == {
        (target, how) for target in TARGETS for how in ACTIONS
    }


def test_the_short_round_kills_everybody_once():
    assert Counter((injection.target, injection.action) for injection in plan_short_round("7", 3)) == {
        (target, "killed"): 1 for target in TARGETS
    }


def test_what_was_not_reached_is_tried_again_at_once():
    (first, *_) = plan_round("7", 3, 30)
    assert (retry_next_round(first).cell, retry_next_round(first).skip, retry_next_round(first).tries) == (
        first.cell,
        0,
        2,
    )


def test_points_are_known_by_their_calls():
    incidents = "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents"
    assert injection_point(Call("worker", "PATCH", PATH, UNDO), before=True) == ("before the undo", "web")
    assert (
        injection_point(Call("worker", "PATCH", PATH, UNDO.replace(b"-undo", b"")), before=False)[0]
        == "after the write"
    )
    status = Call("worker", "PATCH", f"{incidents}/web-1234/status", b'{"status":{"phase":"Verifying"}}')
    assert injection_point(status, before=False) == ("verifying", "web")
    assert injection_point(status, before=True) == ("", "")
    opened = Call("operator", "POST", incidents, b'{"metadata":{"name":"web-1234"}}')
    assert injection_point(opened, before=False) == ("opened", "web")
    assert injection_point(Call("worker", "GET", PATH), before=True) == ("", "")
    one_process = Call("prunella", "POST", incidents, opened.body)
    assert injection_point(one_process, before=False) == ("opened", "web")
    assert injection_point(Call("worker", "PATCH", PATH.replace("deploy", "other"), UNDO), before=True) == ("", "")
    daemon = Call("worker-2", "PATCH", PATH.replace("deployments", "daemonsets"), UNDO)
    assert injection_point(daemon, before=True) == ("before the undo", "web")
