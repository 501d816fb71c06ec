"""Channels and tickets with real Secrets under real RBAC: the worker may read those that are named, and no others."""

import dataclasses

import pytest
from fakes.httpd import Httpd
from fakes.mail_server import MailServer
from support.api import until
from support.deployments import a_namespace

from prunella_operator import clock
from prunella_operator.activities.notifications.activities import Notices
from prunella_operator.config.settings import Settings
from prunella_operator.doctor.policies import check_policies
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.contracts.notifications import Message, NotifyRequest, TicketRequest, TicketStep
from prunella_workflows.model.errors import Forbidden

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CANARY = "canary7d20e4"
MESSAGE = Message(thread="uid", title="Deployment/web in shop needs a person", what="It fails.", next_step="Look.")


@pytest.fixture(scope="module")
def namespace(api):
    name = a_namespace(api, "notices-")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def worker(kube, access, namespace):
    """An account with the permissions of docs/notifications.md: get on two Secrets by name."""
    kube.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "worker"}})
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mail", "hook"], "verbs": ["get"]}
    kube.create(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "channels"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "channels"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "channels"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": namespace}],
    }
    kube.create(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/worker/token"
    token = kube.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    return SyncClient(
        dataclasses.replace(access, cert_path=None, key_path=None, authorization=lambda: f"Bearer {token}"), timeout=10
    )


@pytest.fixture
def secret(kube, namespace):
    """Create a Secret, and delete it afterwards."""
    made = []

    def make(name, kind, **values):
        body = {"metadata": {"name": name}, "type": kind, "stringData": values}
        kube.create(f"/api/v1/namespaces/{namespace}/secrets", body)
        made.append((name, kube.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")["metadata"]["uid"]))
        return f"{namespace}/{name}"

    yield make
    for name, uid in made:
        kube.delete(f"/api/v1/namespaces/{namespace}/secrets/{name}", uid)


@pytest.fixture
def notices(worker, kube, namespace, secret):
    """Wait until the Role is in force."""
    address = secret("hook", "prunella.dev/tickets", type="jira")

    def allowed():
        try:
            worker.get(f"/api/v1/namespaces/{namespace}/secrets/hook")
        except Forbidden:
            return False
        return True

    until(allowed, 30, f"the Role for {address}")
    return Notices(worker, Settings.load({}))


def test_a_mail_by_a_secret_that_is_named(notices, secret):
    with MailServer(CANARY) as mail:
        url = f"mailto://bot:{CANARY}@127.0.0.1:{mail.port}?mode=insecure&from=bot@example.org&to=ann@example.org"
        address = secret("mail", "prunella.dev/channel", url=url)
        told = notices.notify(NotifyRequest(channel=address, message=MESSAGE, key="k"))
        assert (told.kind, told.result) == ("mail", "Delivered")
        ((to, got),) = mail.mails
        assert (to, got["Subject"]) == (["ann@example.org"], f"High: {MESSAGE.title}")


def test_a_secret_that_is_not_named_is_not_read(worker, secret):
    address = secret("other", "prunella.dev/channel", url=f"json://127.0.0.1/{CANARY}")
    from temporalio.exceptions import ApplicationError

    with pytest.raises(ApplicationError, match="resourceName other") as caught:
        Notices(worker, Settings.load({})).notify(NotifyRequest(channel=address, message=MESSAGE, key="k"))
    assert (caught.value.type, caught.value.non_retryable) == ("Forbidden", True)
    assert CANARY not in str(caught.value)


def test_a_new_address_counts_at_once(kube, notices, namespace, secret):
    with Httpd() as before, Httpd() as after:
        address = secret("mail", "prunella.dev/channel", url=f"json://127.0.0.1:{before.port}/a")
        notices.notify(NotifyRequest(channel=address, message=MESSAGE, key="1"))
        new = {"stringData": {"url": f"json://127.0.0.1:{after.port}/b"}}
        kube.merge_patch(f"/api/v1/namespaces/{namespace}/secrets/mail", new)
        notices.notify(NotifyRequest(channel=address, message=MESSAGE, key="2"))
        assert (len(before.asked), len(after.asked)) == (1, 1)


def test_a_ticket_system_that_is_misconfigured_is_told_by_the_doctor_too(kube, notices, namespace):
    request = TicketRequest(
        system=f"{namespace}/hook", step=TicketStep.OPEN, thread="t", key="k", since=clock.now(), message=MESSAGE
    )
    with pytest.raises(Exception, match="has no url"):
        notices.ticket(request)
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/healingpolicies"
    body = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "HealingPolicy",
        "metadata": {"name": "people"},
        "spec": {"escalation": {"ticket": "hook", "channels": ["gone"]}},
    }
    uid = kube.create(path, body)["metadata"]["uid"]
    found = {policy.name: policy.message for policy in check_policies(kube, (namespace,))}
    kube.delete(f"{path}/people", uid)
    assert "has no url" in found[f"Tickets {namespace}/hook"]
    assert "there is no Secret" in found[f"Channel {namespace}/gone"]
    assert found[f"HealingPolicy {namespace}/people"] == "selects 0 workloads"
