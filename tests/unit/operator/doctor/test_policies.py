"""Doctor checks of policies and the Secrets they name."""

import base64

import pytest

from prunella_operator.doctor.policies import check_policies
from prunella_workflows.model.errors import Forbidden, NotFound, Unavailable

CLUSTER = "/apis/prunella.dev/v1alpha1/clusterhealingpolicies"
ALL = "/apis/prunella.dev/v1alpha1/healingpolicies"
CANARY = "hunter2-canary"
MAIL = f"mailto://bot:{CANARY}@mail.example.org?to=team@example.org"


class FakeApi:
    """An API server with a few lists and Secrets; missing ones are empty or NotFound."""

    namespace = "prunella-system"

    def __init__(self):
        self.lists = {}
        self.secrets = {}

    def call(self, method, path, body=None, content_type="application/json", **query):
        assert method == "GET"
        if "/secrets/" in path:
            response = self.secrets.get(
                path.removeprefix("/api/v1/namespaces/").replace("/secrets/", "/"), NotFound("no")
            )
        else:
            response = self.lists.get(path, {"items": []})
        if isinstance(response, Exception):
            raise response
        return response

    def put(self, path, *objects):
        self.lists[path] = {"items": list(objects)}

    def secret(self, address, kind, **values):
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.secrets[address] = {"type": kind, "data": data}


@pytest.fixture
def api():
    fake = FakeApi()
    fake.put("/api/v1/namespaces", named("shop", stage="production"), named("lab"))
    fake.put("/apis/apps/v1/namespaces/shop/deployments", named("web", app="web"))
    return fake


def named(name, namespace=None, spec=None, **labels):
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "labels": labels, **place}, "spec": spec or {}}


def results(api, namespaces=()):
    return [(policy.name, policy.passed, policy.message) for policy in check_policies(api, namespaces)]


def test_no_policy_is_fine(api):
    assert results(api) == []


def test_missing_crds_are_reported_elsewhere(api):
    api.lists[CLUSTER] = NotFound("no such kind")
    assert results(api) == []


def test_an_unavailable_api_server_is_reported(api):
    api.lists[CLUSTER] = Unavailable("away")
    assert results(api) == [("Policies", False, "away")]


@pytest.mark.parametrize(
    ("labels", "passed", "what"),
    [
        (None, True, "selects 2 namespaces"),
        ({"stage": "production"}, True, "selects 1 namespaces"),
        ({"stage": "prodution"}, False, "selects 0 namespaces"),
    ],
)
def test_a_cluster_policy_that_matches_no_namespace(api, labels, passed, what):
    api.put(CLUSTER, named("all", spec={"namespaceSelector": {"matchLabels": labels}} if labels else {}))
    assert results(api) == [("ClusterHealingPolicy all", passed, what)]


@pytest.mark.parametrize(
    ("namespace", "labels", "passed", "what"),
    [
        ("shop", None, True, "selects 1 workloads"),
        ("shop", {"app": "web"}, True, "selects 1 workloads"),
        ("shop", {"app": "wbe"}, False, "selects 0 workloads"),
        ("lab", None, False, "selects 0 workloads"),
    ],
)
def test_a_policy_that_matches_no_workload(api, namespace, labels, passed, what):
    spec = {"selector": {"matchLabels": labels}} if labels else {}
    api.put(ALL, named("one", namespace, spec=spec))
    assert results(api) == [(f"HealingPolicy {namespace}/one", passed, what)]


def test_a_selector_with_expressions(api):
    expressions = [{"key": "stage", "operator": "NotIn", "values": ["production"]}]
    api.put(CLUSTER, named("rest", spec={"namespaceSelector": {"matchExpressions": expressions}}))
    assert results(api) == [("ClusterHealingPolicy rest", True, "selects 1 namespaces")]


def test_a_policy_that_cannot_be_read_and_one_of_a_namespace_that_is_not_ours(api):
    api.put(
        f"{ALL.removesuffix('healingpolicies')}namespaces/shop/healingpolicies", named("odd", "shop", {"grace": "x"})
    )
    ((name, passed, what),) = results(api, ("shop",))
    assert (name, passed) == ("HealingPolicy shop/odd", False)
    assert what == "spec.grace: 'x' is not a duration such as 90s, 2m30s or 7d"


def test_a_policy_that_contradicts_itself(api):
    api.put(CLUSTER, named("odd", spec={"limits": {"memoryMinStep": "2Gi", "memoryMax": "1Gi"}}))
    message = "spec.limits.memoryMinStep: must not be more than limits.memoryMax"
    assert results(api) == [("ClusterHealingPolicy odd", False, message)]


@pytest.mark.parametrize(
    ("kind", "url", "text"),
    [
        (None, "", "there is no Secret shop/chat"),
        ("Opaque", MAIL, "must be of the type prunella.dev/channel"),
        ("prunella.dev/channel", "", "has no url"),
        ("prunella.dev/channel", f"ftp://{CANARY}", "its url must begin with one of mailto://"),
    ],
)
def test_an_invalid_channel_is_reported_with_the_policy(api, kind, url, text):
    api.put(ALL, named("one", "shop", {"escalation": {"channels": ["chat"]}}))
    if kind:
        api.secret("shop/chat", kind, url=url)
    (check,) = (policy for policy in check_policies(api, ()) if policy.name == "Channel shop/chat")
    assert not check.passed
    assert text in check.message
    assert "named by HealingPolicy shop/one" in check.message
    assert "docs/notifications.md" in check.fix
    assert CANARY not in check.message


def test_a_forbidden_secret_names_the_missing_role(api):
    api.put(ALL, named("one", "shop", {"escalation": {"channels": ["chat"]}}))
    api.secrets["shop/chat"] = Forbidden("no")
    check = list(check_policies(api, ()))[-1]
    assert "needs a Role in shop with the verb get on secrets and the resourceName chat" in check.message
    assert check.fix.endswith("and the Role")


def test_every_named_secret_is_checked_once(api):
    levels = [{"after": "15m", "channels": ["pager"]}]
    api.put(ALL, named("one", "shop", {"escalation": {"channels": ["chat"], "levels": levels, "ticket": "jira"}}))
    rules = [{"name": "x", "alertname": "X", "channels": ["chat"]}]
    api.put(CLUSTER, named("all", spec={"escalation": {"channels": ["chat"]}, "alerts": {"rules": rules}}))
    for address in ("shop/chat", "shop/pager", "prunella-system/chat"):
        api.secret(address, "prunella.dev/channel", url=MAIL)
    api.secret("shop/jira", "prunella.dev/tickets", type="jira", url="https://j.example.org", project="SHOP", token="t")
    assert [(name, passed, what) for name, passed, what in results(api) if "Policy" not in name] == [
        ("Channel prunella-system/chat", True, "channel of type mail"),
        ("Channel shop/chat", True, "channel of type mail"),
        ("Channel shop/pager", True, "channel of type mail"),
        ("Tickets shop/jira", True, "ticket system of type jira"),
    ]


def test_policies_of_later_pages_are_checked(api):
    first = {"items": [named("one", "shop")], "metadata": {"continue": "more"}}
    second = {"items": [named("two", "shop", {"grace": "soon"})], "metadata": {}}
    asked = []
    usual = api.call

    def call(method, path, *args, **query):
        if path != ALL:
            return usual(method, path, *args, **query)
        asked.append(query.get("limit"))
        return second if query.get("continue") == "more" else first

    api.call = call
    assert [name for name, *_ in results(api)] == ["HealingPolicy shop/one", "HealingPolicy shop/two"]
    assert asked == ["200", "200"]
