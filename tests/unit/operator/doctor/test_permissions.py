"""Least privilege: the roles give what the code asks the API server for, and nothing else."""

from pathlib import Path

import pytest
from support.api import documents
from support.api_calls import PACKAGE, needs

from prunella_operator.doctor.permissions import INCIDENTS, POLICIES, RECORDS, REPAIR, RULES, SNAPSHOTS, VIEW
from prunella_operator.kubernetes.track_records import NAMESPACE

BASE = Path(__file__).parents[4] / "manifests" / "base"
ROLES = {document["metadata"]["name"]: document["rules"] for document in documents(BASE / "roles.yaml")}
WORKERS = {"activities", "metrics"}
DOCTORS = {"doctor"}
CALLERS = {"cli", "console", "incidents/client.py"}  # what is asked in a person's name
CLIENTS = {"kubernetes"}
OTHERS = {
    name
    for path in PACKAGE.rglob("*.py")
    if not {(name := path.relative_to(PACKAGE).as_posix()), name.split("/")[0]}
    & (WORKERS | DOCTORS | CALLERS | CLIENTS)
}
WORKER = needs([*WORKERS, "kubernetes/secrets.py"])
DOCTOR = needs(DOCTORS)
OPERATOR = needs(OTHERS)
LEADER = {right for right in OPERATOR if right[1] == "coordination.k8s.io"}
OPERATOR -= LEADER
KOPF = {(verb, "prunella.dev", "incidents") for verb in ("list", "watch", "patch")}  # what it handles: controller.py
READS = {"get", "list", "watch"}
BY_A_ROLE_OF_THE_OWNER = {("get", "", "secrets")}  # for each Secret that a policy names: docs/notifications.md
POLICY_STATUS = {
    ("patch", "prunella.dev", f"{plural}/status") for plural in ("healingpolicies", "clusterhealingpolicies")
}
OURS = {"prunella.dev", "events.k8s.io"}


def reads(found):
    return {right for right in found if right[0] in READS}


def writes(found, *, ours):
    return {right for right in found if right[0] not in READS and (right[1] in OURS) == ours}


WANTED = {
    VIEW: reads(WORKER | OPERATOR | DOCTOR | KOPF) - BY_A_ROLE_OF_THE_OWNER,
    INCIDENTS: writes(WORKER | OPERATOR | KOPF, ours=True) - POLICY_STATUS,
    POLICIES: POLICY_STATUS & OPERATOR,
    REPAIR: writes(WORKER, ours=False),
    SNAPSHOTS: writes(OPERATOR | KOPF, ours=False),
}


def given(rules):
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("role", WANTED)
def test_a_role_gives_what_the_code_needs_and_nothing_else(role):
    assert given(ROLES[role]) == WANTED[role]


@pytest.mark.parametrize("role", WANTED)
def test_doctor_asks_for_what_the_role_gives(role):
    asked = {(verb, rule.group, rule.resource) for rule in RULES if rule.role == role for verb in rule.verbs}
    assert asked == WANTED[role]


def test_the_console_reads_incidents_only():
    assert given(ROLES["prunella-console"]) == {
        ("get", "prunella.dev", "incidents"),
        ("list", "prunella.dev", "incidents"),
        ("watch", "prunella.dev", "incidents"),
    }


def test_the_lease_is_written_by_a_role_of_its_own_namespace():
    role, _ = documents(BASE / "leader.yaml")
    assert role["kind"] == "Role"
    assert given(role["rules"]) >= LEADER
    named = [rule for rule in role["rules"] if rule["verbs"] != ["create"]]
    assert all(rule["resourceNames"] == ["prunella-operator"] for rule in named)


def test_track_records_are_kept_by_a_role_of_their_own_namespace():
    namespace, role, binding = documents(BASE / "records.yaml")
    needed = needs(["kubernetes/track_records.py"])
    wanted = {(verb, RECORDS.group, RECORDS.resource) for verb in RECORDS.verbs}
    assert given(role["rules"]) == wanted
    assert wanted <= needed <= wanted | WANTED[VIEW]  # it also reads the workload of a record
    assert {namespace["metadata"]["name"], *(one["metadata"]["namespace"] for one in (role, binding))} == {NAMESPACE}
    assert [subject["name"] for subject in binding["subjects"]] == ["prunella-operator", "prunella-worker"]


def test_no_wildcards_no_secrets_and_no_way_to_more_rights():
    every = set().union(*(given(rules) for rules in ROLES.values()))
    assert not [
        right for right in every if "*" in right or right[0] in {"escalate", "bind", "impersonate", "deletecollection"}
    ]
    assert not [
        right for right in every if right[2].split("/")[0] in {"secrets", "serviceaccounts", "roles", "rolebindings"}
    ]
    assert not [right for right in every if right[2] in {"pods/exec", "pods/ephemeralcontainers"}]


def test_only_what_reads_and_what_is_ours_is_bound_in_the_whole_cluster():
    bound = {document["roleRef"]["name"] for document in documents(BASE / "bindings.yaml")}
    assert bound == {VIEW, INCIDENTS, POLICIES, "prunella-console"}


def test_only_the_operator_writes_the_status_of_policies():
    assert not POLICY_STATUS & WORKER
    (binding,) = (one for one in documents(BASE / "bindings.yaml") if one["roleRef"]["name"] == POLICIES)
    assert [subject["name"] for subject in binding["subjects"]] == ["prunella-operator"]
