"""From the message to the repair: a request for an approval, the link in it, the console, and a healed workload.

Runs first, as every module that starts its own Prunella does.
"""

import re

import pytest
import requests
from fakes.httpd import Httpd
from localcluster.ports import free_ports
from support import samples
from support.api import until
from support.deployments import a_deployment, a_namespace
from support.openid_provider import csrf
from support.prunella import PrunellaProcess

from prunella_operator.incidents.client import parse
from prunella_operator.kubernetes.access import load_access
from prunella_workflows.model.proposal import proposal_id

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.timeout(480, func_only=True)]

KEY = "key-of-the-links-in-this-test-only"


@pytest.fixture
def namespace(cluster):
    name = a_namespace(cluster.api, "e2e-links-", heal="enabled")
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def chat(cluster, namespace):
    """A chat that the policy of the namespace names; every repair needs an approval."""
    with Httpd() as server:
        data = {"url": f"json://127.0.0.1:{server.port}/"}
        secret = {"metadata": {"name": "chat"}, "type": "prunella.dev/channel", "stringData": data}
        cluster.api.create(f"/api/v1/namespaces/{namespace}/secrets", secret)
        rules = {"approval": {"when": "Always"}, "escalation": {"channels": ["chat"]}}
        cluster.api.apply(samples.policy(namespace, **rules))
        yield server


@pytest.fixture
def prunella(account, namespace, chat, tmp_path):
    (tmp_path / "keys").write_text(KEY)
    (port,) = free_ports(1)
    links = {"link_key_file": tmp_path / "keys", "console_url": f"http://127.0.0.1:{port}"}
    with PrunellaProcess(tmp_path, account.kubeconfig, namespaces=namespace, console_port=port, **links) as process:
        yield process


def incident_of(cluster, namespace):
    (incident,) = cluster.api.incidents(namespace)
    return incident


def test_a_repair_is_approved_from_the_message_that_asks(cluster, account, namespace, chat, prunella):
    token = load_access(str(account.kubeconfig), None).authorization().removeprefix("Bearer ")
    cluster.api.apply(a_deployment(namespace, replicas=1, memory="64Mi", env={"SHOP_MEMORY_MIB": "90"}))
    message = until(lambda: chat.asked and chat.asked[0].json["message"], 120, "the request is sent")
    links = dict(re.findall(r"(Approve|Reject): <?(http\S+/answers/[^\s>]+)", message))
    assert set(links) == {"Approve", "Reject"}
    with requests.Session() as browser:
        page = browser.get(links["Approve"], timeout=10)
        assert "/login?back=/answers/" in page.url
        back = page.url.partition("back=")[2]
        page = browser.post(
            f"{prunella.settings['console_url']}/login", data={"token": token, "back": back}, timeout=10
        )
        assert page.url == links["Approve"]
        assert re.search(r'<span class="add">\+ +memory: 128Mi</span>', page.text)
        waiting = incident_of(cluster, namespace)
        assert "approval" not in waiting["spec"]
        proposal = proposal_id(parse(waiting).status)
        done = browser.post(links["Approve"], data={"csrf": csrf(page.text), "reason": "from the chat"}, timeout=10)
        assert done.ok
        until(lambda: incident_of(cluster, namespace)["status"]["phase"] == "Healed", 120, "it is healed")
        used = browser.get(links["Reject"], timeout=10)
        assert used.status_code == 410
        assert re.search(rf"Approved by {account.user} at \d{{4}}-", used.text)
    approval = incident_of(cluster, namespace)["spec"]["approval"]
    assert (approval["by"], approval["reason"]) == (account.user, "from the chat")
    shown = f"{incident_of(cluster, namespace)}{prunella.log.read_text()}{events(cluster, namespace)}".encode()
    kept = stored(prunella)
    assert proposal.encode() in kept, "the history has the id of the proposal"
    assert not [link for link in links.values() if link.rpartition(".")[2].encode() in shown + kept]


def events(cluster, namespace):
    return cluster.api.items(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")


def stored(prunella):
    """All that Temporal's server has written."""
    database = prunella.settings["temporal_db"]
    return b"".join(path.read_bytes() for path in sorted(database.parent.glob(f"{database.name}*")))
