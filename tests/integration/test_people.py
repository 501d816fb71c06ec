"""The rights to Incidents and policies that the default roles of Kubernetes have once people.yaml is installed."""

import pytest
from support.access_control import MANIFESTS
from support.api import documents, path_of, until

from prunella_workflows.model.labels import GROUP

pytestmark = pytest.mark.integration

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ROLES = documents(MANIFESTS / "base" / "people.yaml")


@pytest.fixture(scope="module", autouse=True)
def installed(api):
    api.apply(*ROLES)
    yield
    for role in ROLES:
        api.delete(path_of(role))


def bind(api, namespace, role):
    """A person with one of the default roles in the namespace."""
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"a-{role}er"}],
        }
    )
    return f"a-{role}er"


def may(api, user, namespace, verb, resource):
    resource, _, subresource = resource.partition("/")
    what = {"group": GROUP, "resource": resource, "subresource": subresource, "verb": verb, "namespace": namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    return api.create(REVIEWS, {**review, "spec": {"user": user, "resourceAttributes": what}})["status"]["allowed"]


@pytest.mark.parametrize(
    ("role", "incidents", "policies"), [("view", False, False), ("edit", True, False), ("admin", True, True)]
)
def test_the_default_roles_know_incidents_and_policies(api, namespace, role, incidents, policies):
    user = bind(api, namespace, role)
    until(lambda: may(api, user, namespace, "list", "incidents"), 30, f"the role {role} is aggregated")
    for verb in ("create", "update", "patch", "delete"):
        assert may(api, user, namespace, verb, "incidents") == incidents
        assert may(api, user, namespace, verb, "healingpolicies") == policies
        assert not may(api, user, namespace, verb, "incidents/status")
    assert may(api, user, namespace, "watch", "healingpolicies")
    assert not may(api, user, "default", "list", "incidents")
