"""The console in a real browser, on a real API server: users read, sign in with their token, and act."""

import asyncio
import re
import threading
from dataclasses import dataclass

import pytest
from aiohttp import web
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support import browser
from support.api import until

from prunella_operator import clock
from prunella_operator.console.app import Console
from prunella_operator.console.serve import make_readers
from prunella_operator.incidents.index import watching
from prunella_operator.kubernetes.watch.resource import Scope

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
INCIDENTS = "/apis/prunella.dev/v1alpha1"


@pytest.fixture(scope="module")
def chromium():
    if missing := browser.ensure():
        pytest.fail(missing)
    return browser.browser


def run_until_stopped(loop):
    """Run the loop; what still runs in it is ended before it is closed."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


@pytest.fixture(scope="module")
def console(access):
    """Its address; it is served by a thread."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    address = []

    async def serve(incidents):
        links = "http://temporal.invalid/{}/{}".format
        runner = web.AppRunner(Console(make_readers(access, 10), incidents, links).app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()
        return runner

    thread = threading.Thread(target=run_until_stopped, args=(loop,))
    thread.start()
    with watching(access, Scope()) as index:
        runner = asyncio.run_coroutine_threadsafe(serve(index.all), loop).result(20)
        yield address[0]
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


def token_of(kube, namespace, name, *verbs):
    """The token of a person who may do this with incidents."""
    kube.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    rules = [{"apiGroups": ["prunella.dev"], "resources": ["incidents"], "verbs": list(verbs)}]
    kube.create(f"{RBAC}/clusterroles", {"metadata": {"name": f"{namespace}-{name}"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{namespace}-{name}"}
    binding = {"metadata": {"name": f"{namespace}-{name}"}, "roleRef": reference, "subjects": [subject]}
    kube.create(f"{RBAC}/clusterrolebindings", binding)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    return kube.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]


@pytest.fixture
def people(kube, namespace):
    """Tokens: alice may act, bob may only read."""
    yield {
        "alice": token_of(kube, namespace, "alice", "get", "list", "patch"),
        "bob": token_of(kube, namespace, "bob", "get", "list"),
    }
    for name in ("alice", "bob"):
        for kind in ("clusterroles", "clusterrolebindings"):
            kube.call("DELETE", f"{RBAC}/{kind}/{namespace}-{name}")


@dataclass(frozen=True)
class Waiting:
    """An incident that waits for a person: its path in the API, and its page."""

    path: str
    page: str


@pytest.fixture
def waiting(kube, namespace, console):
    """An incident that waits for a person."""
    path = f"{INCIDENTS}/namespaces/{namespace}/incidents"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec = {"target": target, "type": "PodCrashLoop", "description": "<b>exit code 1</b>"}
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "checkout-1"}, "spec": spec}
    kube.create(path, body)
    now = clock.now().isoformat()
    status = {
        "phase": "AwaitingApproval",
        "message": "Roll back?",
        "plan": "Roll back to revision 1",
        "times": {"diagnosedAt": now},
    }
    kube.merge_patch(f"{path}/checkout-1/status", {"status": status})
    return Waiting(f"{path}/checkout-1", f"{console}/incidents/{namespace}/checkout-1")


def sign_in(page, console, token):
    page.get(f"{console}/login")
    page.find_element(By.NAME, "token").send_keys(token, Keys.ENTER)
    WebDriverWait(page, 20).until(lambda browser: browser.find_elements(By.CSS_SELECTOR, ".who"))


def complaints(page):
    return [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_user_approves_in_their_own_name(chromium, console, kube, people, waiting):
    with chromium(1200, 900) as page:
        sign_in(page, console, people["alice"])
        page.get(waiting.page)
        assert "<b>exit code 1</b>" in page.find_element(By.TAG_NAME, "main").text
        page.find_element(By.NAME, "reason").send_keys("it is fine")
        page.find_element(By.CSS_SELECTOR, "button.approve").click()
        until(lambda: kube.get(waiting.path)["spec"].get("approval"), 20, "the approval is on the incident")
        assert complaints(page) == []
    approval = kube.get(waiting.path)["spec"]["approval"]
    assert (approval["decision"], approval["reason"]) == ("Approved", "it is fine")
    assert re.fullmatch(r"system:serviceaccount:hands-.*:alice", approval["by"])


def test_the_api_server_refuses_a_user_without_permission(chromium, console, kube, people, waiting):
    with chromium(1200, 900) as page:
        sign_in(page, console, people["bob"])
        page.get(waiting.page)
        page.find_element(By.CSS_SELECTOR, "button.approve").click()
        WebDriverWait(page, 20).until(lambda browser: "cannot patch" in browser.page_source)
    assert "approval" not in kube.get(waiting.path)["spec"]


def test_the_page_refreshes_itself(chromium, kube, waiting):
    with chromium(1200, 900) as page:
        page.get(waiting.page)
        kube.merge_patch(f"{waiting.path}/status", {"status": {"phase": "Healed", "message": "it runs"}})
        WebDriverWait(page, 20).until(lambda browser: "it runs" in browser.find_element(By.TAG_NAME, "main").text)
        assert complaints(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows_on_a_phone(chromium, console, waiting, dark):
    with chromium(360, 740, dark=dark) as page:
        for address in (console, waiting.page, f"{console}/login"):
            page.get(address)
            assert page.execute_script("return document.documentElement.scrollWidth") <= 360, address
        ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, ground.removeprefix("rgb(").rstrip(")").split(","))) < 80) == dark


def test_everything_is_reachable_by_keyboard(chromium, console, waiting):
    with chromium(1200, 900) as page:
        page.get(console)
        seen = []
        for _ in range(14):
            page.switch_to.active_element.send_keys(Keys.TAB)
            focus = page.switch_to.active_element
            seen.append(focus.get_attribute("name") or focus.text)
    assert seen[0] == "Skip to content"
    assert {"Sign in", "state", "namespace", "cause", "text", "Filter", "Deployment/checkout"} <= set(seen)


def test_it_works_without_scripts(chromium, console, waiting):
    with chromium(1200, 900, scripts=False) as page:
        page.get(f"{console}/?state=open")
        assert "Deployment/checkout" in page.page_source
