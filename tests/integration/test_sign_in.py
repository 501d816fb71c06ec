"""Sign-in at a real OpenID Connect provider that a real API server trusts, and answers by links. No cluster."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from localcluster.ports import free_ports
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support import browser
from support.api import Api, documents, until
from support.api_server import ApiServer, Etcd
from support.certificates import Authority
from support.crds import CRDS
from support.openid_provider import CLIENT, SECRET, OpenIdProvider, Person, csrf
from support.programs import missing

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.console.serve import run_console
from prunella_operator.incidents.client import KubeIncidents
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.process import Process
from prunella_workflows.model.incident import Decision, IncidentRef
from prunella_workflows.model.proposal import proposal_id

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180, func_only=True)]

ADMISSION = CRDS.parent / "manifests" / "admission" / "incidents.yaml"
INCIDENTS = "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents"
RBAC = "rbac.authorization.k8s.io"
ALICE = "alice@example.org"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def address():
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="module")
def provider(trusted, address):
    with OpenIdProvider(trusted, f"{address}/oidc/callback") as running:
        yield running


@pytest.fixture(scope="module")
def server(trusted, provider):
    flags = {
        "issuer-url": provider.url,
        "client-id": CLIENT,
        "ca-file": trusted.path,
        "username-claim": "email",
        "groups-claim": "groups",
    }
    with Etcd() as etcd, ApiServer(trusted, etcd, *(f"--oidc-{name}={value}" for name, value in flags.items())) as made:
        yield made


def role(group, *rules):
    """A role and its binding to a group of the provider."""
    common = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": group}}
    subject, reference = ({"apiGroup": RBAC, "kind": kind, "name": group} for kind in ("Group", "ClusterRole"))
    bound = {"roleRef": reference, "subjects": [subject]}
    return {**common, "kind": "ClusterRole", "rules": rules}, {**common, "kind": "ClusterRoleBinding", **bound}


@pytest.fixture(scope="module")
def api(server):
    """An administrator, who has installed the definitions; the team of alice may answer, that of bob only read."""
    api = Api(str(server.kubeconfig))
    api.apply(*(one for path in sorted(CRDS.glob("*.yaml")) for one in documents(path)), *documents(ADMISSION))
    until(lambda: api.find("/apis/prunella.dev/v1alpha1/incidents"), 20, "incidents are served")
    read = {"apiGroups": ["prunella.dev"], "resources": ["incidents"], "verbs": ["get", "list"]}
    answer = [{**read, "verbs": ["patch"]}, {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}]
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    api.apply(*role("team-of-alice", read, *answer), *role("team-of-bob", read))
    return api


@pytest.fixture(scope="module")
def settings(trusted, address, provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("settings")
    (folder / "secret").write_text(SECRET)
    (folder / "keys").write_text("k" * 44)
    values = {
        "console_port": urlsplit(address).port,
        "console_anonymous": False,
        "console_url": address,
        "console_oidc_issuer": provider.url,
        "console_oidc_client_id": CLIENT,
        "console_oidc_client_secret_file": str(folder / "secret"),
        "console_oidc_scopes": "openid,email,groups",
        "console_oidc_ca_file": str(trusted.path),
        "link_key_file": str(folder / "keys"),
    }
    return Settings.load(values)


async def serve(settings, access, started, ended):
    process = Process()
    try:
        async with run_console(settings, access, process):
            started.set()
            await asyncio.to_thread(ended.wait)
    finally:
        await process.stop()


@pytest.fixture(scope="module", autouse=True)
def console(settings, server, api):
    """The console as `prunella console` serves it."""
    started, ended = threading.Event(), threading.Event()
    running = serve(settings, load_access(str(server.kubeconfig), None), started, ended)
    thread = threading.Thread(target=asyncio.run, args=(running,))
    thread.start()
    assert started.wait(20)
    yield
    ended.set()
    thread.join(20)


@pytest.fixture
def waiting(api, server):
    """The reference of an incident that waits for an approval."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    head = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"generateName": "checkout-"}}
    made = api.create(INCIDENTS, {**head, "spec": {"target": target, "type": "PodCrashLoop"}})["metadata"]
    status = {"phase": "AwaitingApproval", "plan": "Roll back to revision 1", "diff": "-shop:2\n+shop:1\n"}
    api.patch(f"{INCIDENTS}/{made['name']}/status", {"status": status})
    yield IncidentRef(namespace="shop", name=made["name"], uid=made["uid"])
    api.delete(f"{INCIDENTS}/{made['name']}")


@pytest.fixture
def link(settings, server, waiting):
    """A link to approve it, as a message has it."""
    reader = KubeIncidents(SyncClient(load_access(str(server.kubeconfig), None)))
    proposal = proposal_id(reader.get(waiting.namespace, waiting.name).status)
    return create_answer_links(settings).make(waiting, proposal, Decision.APPROVED, clock.now())


@pytest.fixture
def person(trusted):
    with Person(trusted) as one:
        yield one


def sign_in(person, address, name, back="/"):
    """Sign in as a person; the answer of the console to the provider's."""
    begun = person.get(f"{address}/oidc/login?back={back}")
    return person.get(person.sign_in_at_provider(begun.headers["Location"], name))


def answers_in(audit_log, name):
    """The users who wrote an approval of this incident, by the audit log; refused writes are not meant."""
    events = map(json.loads, audit_log.read_text().splitlines())
    made = (event for event in events if event["responseStatus"]["code"] < 300)
    mine = [event for event in made if (event.get("objectRef") or {}).get("name") == name]
    return [one["user"]["username"] for one in mine if "approval" in (one.get("requestObject") or {}).get("spec", {})]


def test_a_link_leads_by_the_provider_to_an_answer_in_ones_own_name(person, api, server, waiting, link):
    address = link.partition("/answers/")[0]
    refused = person.get(link)
    assert refused.headers["Location"].startswith("/login?back=/answers/")
    arrived = sign_in(person, address, "alice", urlsplit(link).path)
    assert (arrived.status_code, f"{address}{arrived.headers['Location']}") == (303, link)
    page = person.get(link).text
    assert "Approve the repair of Deployment/checkout?" in page
    assert ALICE in page
    assert "+shop:1" in page
    assert answers_in(server.audit_log, waiting.name) == []
    assert person.post(link, csrf=csrf(page), reason="known to be bad").status_code == 303
    approval = api.get(f"{INCIDENTS}/{waiting.name}")["spec"]["approval"]
    assert (approval["decision"], approval["by"], approval["reason"]) == ("Approved", ALICE, "known to be bad")
    assert approval["groups"] == ["team-of-alice"]
    assert answers_in(server.audit_log, waiting.name) == [ALICE]
    again = person.post(link, csrf=csrf(page))
    assert (again.status_code, f"Approved by {ALICE}" in again.text) == (410, True)
    assert answers_in(server.audit_log, waiting.name) == [ALICE]


def test_of_two_answers_at_once_the_api_server_takes_one(person, trusted, server, waiting, link):
    with Person(trusted) as other:
        address, forms = link.partition("/answers/")[0], []
        for one in (person, other):
            sign_in(one, address, "alice")
            forms.append((one, csrf(one.get(link).text)))
        with ThreadPoolExecutor() as pool:
            sent = [pool.submit(one.post, link, csrf=form, reason=form) for one, form in forms]
        assert sorted(answer.result().status_code for answer in sent) == [303, 410]
    assert answers_in(server.audit_log, waiting.name) == [ALICE]


def test_a_person_lists_and_answers_with_the_rights_of_their_groups(person, api, server, address, waiting):
    sign_in(person, address, "alice")
    listed = until(lambda: waiting.name in (page := person.get(address).text) and page, 20, "it is listed")
    assert ALICE in listed
    page = f"{address}/incidents/shop/{waiting.name}"
    assert person.post(page, csrf=csrf(person.get(page).text), action="reject").status_code == 303
    assert api.get(f"{INCIDENTS}/{waiting.name}")["spec"]["approval"]["by"] == ALICE
    assert answers_in(server.audit_log, waiting.name) == [ALICE]


def test_a_person_without_rights_sees_nothing(person, address, waiting, link):
    assert sign_in(person, address, "mallory").status_code == 303
    for page in (address, f"{address}/incidents/shop/{waiting.name}", link):
        refused = person.get(page)
        assert refused.status_code == 403, page
        assert "mallory@example.org" in refused.text


def test_a_link_gives_no_rights(person, api, address, waiting, link):
    sign_in(person, address, "bob")
    refused = person.post(link, csrf=csrf(person.get(link).text))
    assert refused.status_code == 403
    assert "bob@example.org" in refused.text
    assert "approval" not in api.get(f"{INCIDENTS}/{waiting.name}")["spec"]


def follow_from_a_message(page, link):
    """Click on a link that is on a page of another site."""
    page.get(f"data:text/html,<a href='{link}'>answer</a>")
    page.find_element(By.LINK_TEXT, "answer").click()


def test_in_a_browser_a_link_of_another_site_leads_to_an_answer(api, waiting, link):
    if absent := browser.ensure():
        missing(absent)
    with browser.browser(360, 740, trusting=True) as page:
        follow_from_a_message(page, link)
        page.find_element(By.CSS_SELECTOR, "a.button").click()
        page.find_element(By.NAME, "login").send_keys("alice")
        page.find_element(By.NAME, "password").send_keys("any", Keys.ENTER)
        WebDriverWait(page, 20).until(lambda page: "Continue" in page.page_source)
        page.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        WebDriverWait(page, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, "button.approve"))
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
        page.find_element(By.CSS_SELECTOR, "button.approve").click()
        until(lambda: api.get(f"{INCIDENTS}/{waiting.name}")["spec"].get("approval"), 20, "the answer is there")
        WebDriverWait(page, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".timeline"))
        follow_from_a_message(page, link)
        assert f"Approved by {ALICE}" in page.find_element(By.CSS_SELECTOR, ".lead").text
        blocked = [line for line in page.get_log("browser") if "Content Security Policy" in line["message"]]
        assert not [line for line in blocked if link.partition("/answers/")[0] in line["message"]]
    assert api.get(f"{INCIDENTS}/{waiting.name}")["spec"]["approval"]["by"] == ALICE


def test_a_code_and_a_callback_are_used_once(person, address):
    begun = person.get(f"{address}/oidc/login")
    callback = person.sign_in_at_provider(begun.headers["Location"], "alice")
    assert person.get(callback).status_code == 303
    replayed = person.get(callback)
    assert (replayed.status_code, "did not begin it" in replayed.text) == (401, True)
    code = parse_qs(urlsplit(callback).query)["code"][0]
    state = parse_qs(urlsplit(person.get(f"{address}/oidc/login").headers["Location"]).query)["state"][0]
    stolen = person.get(f"{address}/oidc/callback?code={code}&state={state}")
    assert (stolen.status_code, "invalid_grant" in stolen.text) == (401, True)


def test_another_browser_cannot_finish_a_sign_in(person, address, trusted):
    begun = person.get(f"{address}/oidc/login")
    callback = person.sign_in_at_provider(begun.headers["Location"], "alice")
    with Person(trusted) as other:
        refused = other.get(callback)
        assert (refused.status_code, "did not begin it" in refused.text) == (401, True)
        assert other.get(address).headers["Location"] == "/login"


def test_signing_out_ends_the_session(person, address):
    sign_in(person, address, "alice")
    assert person.get(address).status_code == 200
    person.post(f"{address}/logout")
    assert person.get(address).headers["Location"] == "/login"


@pytest.mark.run_last
def test_a_provider_that_is_away_stops_no_session_and_is_named(person, address, provider, trusted):
    sign_in(person, address, "alice")
    with Person(trusted) as other:
        begun = other.get(f"{address}/oidc/login")
        callback = other.sign_in_at_provider(begun.headers["Location"], "alice")
        provider.stop()
        try:
            assert person.get(address).status_code == 200
            refused = other.get(callback)
            assert (refused.status_code, f"{provider.url} does not answer" in refused.text) == (503, True)
            assert "use a Kubernetes token" in refused.text
        finally:
            provider.start()
