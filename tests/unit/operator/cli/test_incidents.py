"""`prunella incidents`: output, and patches in the user's name."""

import json

import pytest
import yaml

from prunella_operator.cli.arguments import complete_name
from prunella_operator.incidents.client import KubeIncidents, parse
from prunella_workflows.model.errors import InvalidIncident, NotFound

HEALED = {
    "phase": "Healed",
    "message": "2 pods ready",
    "rootCause": "bad_release",
    "confidence": "90%",
    "action": "RestoreTemplate",
    "healedIn": "23s",
    "evidence": [{"source": "Log", "message": "FATAL [red]not markup[/red] \x1b[31mnor colour"}],
    "guards": [
        {"name": "Mode", "held": False, "reason": "Passed"},
        {"name": "Cooldown", "held": True, "reason": "TooSoon", "message": "repaired 5 s ago"},
    ],
    "attempts": [
        {
            "number": 1,
            "actionId": "a-1",
            "action": "RestoreTemplate",
            "target": "Deployment/checkout",
            "parameters": {"to": "revision 1"},
            "diff": "--- now\n+++ repaired\n@@ -1 +1 @@\n-image: shop:2\n+image: shop:1\n",
            "startedAt": "2026-11-24T11:00:05Z",
            "finishedAt": "2026-11-24T11:00:20Z",
            "verdict": "NotHealed",
            "message": "still crashing",
            "undone": True,
        }
    ],
    "escalation": {"reason": "AttemptsExhausted", "message": "all was tried", "nextStep": "look at the log"},
    "workflow": {"id": "incident-1", "runId": "run-1"},
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "times": {
        "faultAt": "2026-11-24T11:00:00Z",
        "detectedAt": "2026-11-24T11:00:01Z",
        "healedAt": "2026-11-24T11:00:23Z",
    },
}


def test_list_shows_the_context_namespace_oldest_first(prunella, make):
    prunella.reader.raw = [make("a", **HEALED), make("b"), make("other", namespace="billing")]
    result = prunella("incidents", "list")
    assert result.exit_code == 0
    header, first, second = result.stdout.rstrip().splitlines()
    assert header.split() == ["NAME", "PHASE", "CAUSE", "TARGET", "ACTION", "AGE", "HEALED", "IN"]
    assert first.split()[:5] == ["a", "Healed", "bad_release", "Deployment/checkout", "RestoreTemplate"]
    assert second.split()[:3] == ["b", "Repairing", "Deployment/checkout"]
    assert prunella.reader.queries == [("shop", "")]


def test_list_of_all_namespaces_names_them(prunella, make):
    prunella.reader.raw = [make("a"), make("other", namespace="billing")]
    result = prunella("incidents", "list", "-A", "-l", "team=x")
    assert result.stdout.split()[0] == "NAMESPACE"
    assert "billing" in result.stdout
    assert prunella.reader.queries == [(None, "team=x")]


def test_what_no_new_pod_proves_is_marked(prunella, make):
    prunella.reader.raw = [make("a", **{**HEALED, "reason": "ServedByExistingPods"})]
    assert "Healed (not proven)" in prunella("incidents", "list").stdout


def test_list_by_phase(prunella, make):
    prunella.reader.raw = [make("a", **HEALED), make("b"), make("c", phase="Failed")]
    result = prunella("incidents", "list", "--phase", "Healed", "--phase", "Failed", "-o", "name")
    assert result.stdout.splitlines() == ["incident.prunella.dev/a", "incident.prunella.dev/c"]
    assert prunella("incidents", "list", "--phase", "Nonsense").exit_code == 2


def test_no_incidents_is_explained_on_stderr_only(prunella):
    result = prunella("incidents", "list", "-n", "empty")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "No incidents in namespace empty" in result.stderr
    nothing = {"apiVersion": "v1", "kind": "List", "items": []}
    assert json.loads(prunella("incidents", "list", "-o", "json").stdout) == nothing


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_objects_that_kubectl_takes(prunella, make, output, read):
    prunella.reader.raw = [make("a")]
    found = read(prunella("incidents", "list", "-o", output).stdout)
    (listed,) = found["items"]
    assert (listed["apiVersion"], listed["kind"]) == ("prunella.dev/v1alpha1", "Incident")
    assert read(prunella("incidents", "show", "a", "-o", output).stdout) == listed


def test_the_wide_table_has_more_columns(prunella, make):
    prunella.reader.raw = [make("a", **HEALED)]
    plain, wide = (prunella("incidents", "list", *more).stdout.splitlines() for more in ([], ["-o", "wide"]))
    assert wide[0].split()[-5:] == ["SEVERITY", "REASON", "DETECTED", "WORKFLOW", "TRACE"]
    assert "SEVERITY" not in plain[0]
    assert "incident-1" in wide[1]


def test_show_prints_the_full_history(prunella, make):
    prunella.reader.raw = [
        make("a", spec={"approval": {"decision": "Approved", "by": "bob", "reason": "go"}}, **HEALED)
    ]
    printed = prunella("incidents", "show", "a").stdout
    for part in (
        "shop/a  Healed",
        "bad_release (confidence 90%)",
        "Approved by bob: go",
        "2026-11-24 11:00:23Z  +23s  Healed",
        "2026-11-24 11:00:20Z  +20s  Attempt 1 verified: NotHealed",
        "blocked by Cooldown: repaired 5 s ago",
        "passed: Mode",
        "Attempt 1: RestoreTemplate on Deployment/checkout",
        "to: revision 1",
        "-image: shop:2",
        "still crashing",
        "undone:",
        "Escalated: AttemptsExhausted",
        "all was tried",
        "Next step: look at the log",
        "http://127.0.0.1:8233/namespaces/default/workflows/incident-1/run-1",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "[red]not markup[/red]",
    ):
        assert part in printed, part
    assert "\x1b" not in printed


def test_show_of_a_new_incident_omits_later_sections(prunella, make):
    prunella.reader.raw = [make("a", phase="Pending", spec={"target": None, "podName": "p-1", "suspend": True})]
    printed = prunella("incidents", "show", "a").stdout
    assert "Pod/p-1" in printed
    assert "resume" in printed
    for absent in ("Timeline", "Attempt", "Guards", "Temporal"):
        assert absent not in printed


@pytest.mark.parametrize(
    ("incident", "pointer"), [("ledger-1", ", see incident ledger-1: it is down"), ("", ": it is")]
)
def test_show_what_causes_a_fault_elsewhere(prunella, make, incident, pointer):
    cause = {"target": "Deployment/ledger", "incident": incident, "message": "it is down"}
    prunella.reader.raw = [make("a", phase="Diagnosing", causedBy=cause)]
    printed = prunella("incidents", "show", "a").stdout
    assert f"Deployment/ledger{pointer}" in printed


def test_show_the_plan_of_a_dry_run(prunella, make):
    raw = make("a", phase="DryRunDone", plan="roll back to revision 1", diff="-a\n+b", spec={"mode": "DryRun"})
    prunella.reader.raw = [raw]
    printed = prunella("incidents", "show", "a").stdout
    assert "roll back to revision 1" in printed
    assert "+b" in printed


def test_show_what_followed_an_observed_incident(prunella, make):
    followed = {"outcome": "Recovered", "message": "It has recovered.", "decidedAt": "2026-11-24T12:00:00Z"}
    prunella.reader.raw = [make("a", phase="DryRunDone", aftermath=followed)]
    assert "Afterwards  It has recovered." in prunella("incidents", "show", "a").stdout


def test_show_the_level_that_was_earned(prunella, make):
    earned = {"action": "SetMemory", "level": "Approval", "message": "7 of 7 succeeded."}
    prunella.reader.raw = [make("a", phase="AwaitingApproval", autonomy=earned)]
    assert "Autonomy  Approval: 7 of 7 succeeded." in prunella("incidents", "show", "a").stdout


def test_a_missing_incident_is_one_line_on_stderr(prunella):
    result = prunella("incidents", "show", "nope")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: there is no incident nope in namespace shop\n"


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (
            ["approve", "a", "-r", "fine"],
            {"spec": {"approval": {"decision": "Approved", "by": "alice", "groups": None, "reason": "fine"}}},
        ),
        (
            ["reject", "a"],
            {"spec": {"approval": {"decision": "Rejected", "by": "alice", "groups": None, "reason": ""}}},
        ),
        (["ack", "a"], {"spec": {"acknowledged": {"by": "alice"}}}),
        (["cancel", "a"], {"metadata": {"annotations": {"prunella.dev/cancel": "true"}}}),
        (["suspend", "a"], {"spec": {"suspend": True}}),
        (["resume", "a"], {"spec": {"suspend": False}}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_actions_are_patches_of_the_spec_or_an_annotation(prunella, make, command, body):
    prunella.reader.raw = [make("a", phase="AwaitingApproval")]
    result = prunella("incidents", *command)
    assert (result.exit_code, prunella.reader.patches) == (0, [("a", body)])
    assert result.stdout.startswith("shop/a ")


ESCALATED = {"phase": "Escalated", "escalation": {"reason": "NoPlaybook", "message": "Nothing known."}}


@pytest.mark.parametrize("command", ["ack", "cancel"])
def test_an_escalated_incident_can_be_acknowledged_or_cancelled(prunella, make, command):
    prunella.reader.raw = [make("a", **ESCALATED)]
    assert prunella("incidents", command, "a").exit_code == 0
    assert len(prunella.reader.patches) == 1


@pytest.mark.parametrize("command", ["ack", "cancel"])
def test_an_ended_escalation_takes_no_action(prunella, make, command):
    prunella.reader.raw = [make("a", **{**ESCALATED, "escalation": {**ESCALATED["escalation"], "ended": "GaveUp"}})]
    result = prunella("incidents", command, "a")
    assert (result.exit_code, prunella.reader.patches) == (1, [])


def test_show_prints_deliveries_ticket_and_acknowledgement(prunella, make):
    deliveries = [
        {"channel": "shop/chat", "kind": "slack", "result": "Delivered"},
        {"channel": "shop/pager", "result": "Failed", "reason": "AuthenticationError", "message": "answered 401"},
    ]
    note = {
        **ESCALATED["escalation"],
        "delivered": deliveries,
        "ticket": {"system": "jira", "key": "SHOP-17", "url": "https://jira.example.org/browse/SHOP-17"},
        "ticketError": "Unavailable: jira answered 503",
        "acknowledgedBy": "alice",
        "ended": "Acknowledged",
    }
    prunella.reader.raw = [make("a", **{**ESCALATED, "escalation": note})]
    printed = prunella("incidents", "show", "a").stdout
    for line in (
        "Delivered to shop/chat",
        "Failed to shop/pager (AuthenticationError: answered 401)",
        "Ticket SHOP-17: https://jira.example.org/browse/SHOP-17",
        "Ticket: Unavailable: jira answered 503",
        "Acknowledged by alice",
        "Escalation ended: Acknowledged",
    ):
        assert line in printed


@pytest.mark.parametrize("command", ["approve", "reject", "ack", "cancel", "suspend", "resume"])
def test_a_closed_incident_takes_no_action(prunella, make, command):
    prunella.reader.raw = [make("a", **HEALED)]
    result = prunella("incidents", command, "a")
    assert result.exit_code == 1
    assert "closed already: Healed (2 pods ready)" in result.stderr
    assert prunella.reader.patches == []


def test_watch_until_closed_ends_and_prints_one_line_per_change(prunella, make):
    prunella.reader.raw = [make("a", **HEALED)]
    result = prunella("incidents", "watch", "--until", "closed")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "shop/a Healed Deployment/checkout | bad_release" in result.stdout


@pytest.mark.parametrize("phase", ["Escalated", "Failed"])
def test_watch_until_closed_says_no_when_one_was_not_healed(prunella, make, phase):
    prunella.reader.raw = [make("a", **HEALED), make("b", phase=phase)]
    assert prunella("incidents", "watch", "--until", "closed").exit_code == 3


def test_watch_ends_cleanly_at_ctrl_c(prunella):
    def interrupted(*_):
        raise KeyboardInterrupt

    prunella.reader.find = interrupted
    assert prunella("incidents", "watch").exit_code == 0
    assert prunella("incidents", "watch", "--until", "closed").exit_code == 130
    assert prunella("incidents", "watch", "--until", "monday").exit_code == 2


def test_connection_flags_reach_the_settings(prunella):
    prunella("incidents", "list", "--kubeconfig", "/k", "--context", "c")
    assert (prunella.settings.kubeconfig, prunella.settings.context) == ("/k", "c")


def test_names_are_completed_and_errors_are_ignored(prunella, make):
    class Context:
        params = {"namespace": None}  # noqa: RUF012 - a stand-in

        def find_root(self):
            return type("Root", (), {"obj": tools})

    tools = type("Tools", (), {"reader": lambda _, settings: prunella._reader(settings)})()
    prunella.reader.raw = [make("cart-1"), make("checkout-1")]
    assert complete_name(Context(), "ch") == ["checkout-1"]
    tools = type("Tools", (), {"reader": lambda *_: (_ for _ in ()).throw(NotFound("x"))})()
    assert complete_name(Context(), "ch") == []
    tools = None
    assert complete_name(Context(), "ch") == []


class FakeApi:
    server = "https://api"
    namespace = "shop"

    def __init__(self, response):
        self.response = response
        self.calls = []

    def call(self, method, path, body=None, content_type="application/json", **query):
        self.calls.append((method, path, body, content_type, query))
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def test_the_reader_lists_one_namespace_or_all_sorted(make):
    api = FakeApi({"items": [make("b"), make("a")]})
    assert [incident.name for incident in KubeIncidents(api).find("shop", "x=y")] == ["a", "b"]
    KubeIncidents(api).find(None)
    assert [call[1] for call in api.calls] == [
        "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents",
        "/apis/prunella.dev/v1alpha1/incidents",
    ]


def test_the_reader_lists_in_pages(make):
    class Pages(FakeApi):
        def call(self, method, path, body=None, content_type="application/json", **query):
            super().call(method, path, body, content_type, **query)
            rest = {"continue": "more"} if len(self.calls) == 1 else {}
            return {"items": [make(f"a-{len(self.calls)}")], "metadata": rest}

    api = Pages({})
    assert [incident.name for incident in KubeIncidents(api).find(None)] == ["a-1", "a-2"]
    assert [(call[4]["limit"], call[4].get("continue")) for call in api.calls] == [("200", None), ("200", "more")]


def test_a_patch_applies_only_to_the_object_that_was_read(make):
    api = FakeApi({})
    KubeIncidents(api).patch(parse(make("a")), {"spec": {"suspend": True}})
    method, path, body, content_type, _ = api.calls[0]
    assert (method, path) == ("PATCH", "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents/a")
    assert body == {"spec": {"suspend": True}, "metadata": {"uid": "uid-a"}}
    assert content_type == "application/merge-patch+json"


def test_a_cluster_without_the_crds_gets_a_hint():
    with pytest.raises(NotFound, match="prunella crds"):
        KubeIncidents(FakeApi(NotFound("no"))).find("shop")
    with pytest.raises(NotFound, match="no incident a in namespace shop"):
        KubeIncidents(FakeApi(NotFound("no"))).get("shop", "a")


def test_the_callers_name_is_the_api_servers():
    assert KubeIncidents(FakeApi({"status": {"userInfo": {"username": "bob"}}})).whoami() == "bob"


def test_the_callers_groups_are_the_api_servers():
    api = FakeApi({"status": {"userInfo": {"username": "bob", "groups": ["sre", "system:authenticated"]}}})
    assert KubeIncidents(api).groups() == ("sre", "system:authenticated")


def test_an_approval_contains_the_users_groups(prunella, make):
    prunella.reader.raw = [make("a")]
    prunella.reader.in_groups = ("sre", "dev", "system:authenticated")
    prunella("incidents", "approve", "a")
    ((_, body),) = prunella.reader.patches
    assert body["spec"]["approval"]["groups"] == ["sre", "dev"]


def test_an_invalid_incident_names_the_field(make):
    with pytest.raises(InvalidIncident, match="phase"):
        parse(make("a", phase="Dancing"))


def test_a_postmortem_is_markdown_or_a_page(prunella, make):
    prunella.reader.raw = [make("web-oom", phase="Healed", rootCause="pod_oom_killed")]
    assert prunella("incidents", "postmortem", "web-oom").stdout.startswith("# Post-mortem of shop/web-oom\n")
    page = prunella("incidents", "postmortem", "web-oom", "-n", "shop", "-o", "html").stdout
    assert "<h1>Post-mortem of shop/web-oom</h1>" in page
