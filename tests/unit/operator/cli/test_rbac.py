"""`prunella rbac`: bindings for kubectl."""

import yaml

from prunella_operator.doctor.permissions import NAMESPACED_ROLES, REPAIR, SNAPSHOTS


def test_rbac_prints_bindings_of_the_worker_and_the_operator(prunella):
    printed = list(yaml.safe_load_all(prunella("rbac", "shop", "billing").output))
    assert {binding["kind"] for binding in printed} == {"RoleBinding"}
    bound = [
        (binding["metadata"]["namespace"], binding["roleRef"]["name"], binding["subjects"][0]["name"])
        for binding in printed
    ]
    assert bound == [
        (namespace, role, account)
        for namespace in ("shop", "billing")
        for role, account in ((REPAIR, "prunella-worker"), (SNAPSHOTS, "prunella-operator"))
    ]
    assert {binding["roleRef"]["name"] for binding in printed} == NAMESPACED_ROLES


def test_rbac_for_the_whole_cluster_is_a_choice_of_its_own(prunella):
    printed = list(yaml.safe_load_all(prunella("rbac", "--cluster", "--accounts", "healers").output))
    assert {(binding["kind"], binding["subjects"][0]["namespace"]) for binding in printed} == {
        ("ClusterRoleBinding", "healers")
    }
    assert not any("namespace" in binding["metadata"] for binding in printed)
    assert prunella("rbac").exit_code == 2
    assert prunella("rbac", "shop", "--cluster").exit_code == 2
