"""A policy that does not match: kubectl, on a real API server, shows what the troubleshooting guide says it shows."""

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest
from support.deployments import a_deployment

from prunella_operator.activities.report import Reporter
from prunella_operator.kubernetes import paths
from prunella_workflows.contracts.healing import ReportRequest
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import EvidenceNote, IncidentStatus, Phase, WorkflowLink

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
SECTIONS = ("A policy does not match", "A workflow is stuck")

pytestmark = pytest.mark.integration

spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)


@pytest.fixture
def said(api, kube, cluster, namespace):
    """The output of each kubectl command of the sections, about a workload whose policy has a misspelt label."""
    api.create(
        "/apis/apps/v1/namespaces/" + namespace + "/deployments", a_deployment(namespace, labels={"team": "web"})
    )
    policy = {"metadata": {"name": "ours"}, "spec": {"selector": {"matchLabels": {"team": "wbe"}}}}
    kind = {"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy"}
    api.create(paths.policies(namespace), {**kind, **policy})
    report_an_incident(api, kube, namespace)
    names = {"shop": namespace, "NAME": "web-1"}
    return {
        command: cluster.kubectl(*(names.get(word, word) for word in shlex.split(command)[1:]))
        for block in pages.blocks(PAGE)
        if block.section in SECTIONS and block.language in pages.SHELL
        for command in pages.commands(block)
        if command.startswith("kubectl ")
    }


def report_an_incident(api, kube, namespace):
    body = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": "web-1"},
        "spec": {"type": "OOMKilled", "target": {"kind": "Deployment", "name": "web"}, "suspend": True},
    }
    uid = api.create(paths.incidents(namespace), body)["metadata"]["uid"]
    status = IncidentStatus(
        phase=Phase.DRY_RUN_DONE,
        message="Would do: nothing.",
        evidence=(EvidenceNote(source="Log", message="x"), EvidenceNote(source="Policy", message="built-in default")),
        workflow=WorkflowLink(id=f"incident-{uid}"),
    )
    ref = IncidentRef(namespace=namespace, name="web-1", uid=uid)
    Reporter(kube).report(ReportRequest(incident=ref, status=status))


def test_what_is_read(said, namespace):
    evidence, selectors, _, deployments, labels, story = said.values()
    assert evidence == "built-in default"
    assert selectors == 'ours {"matchLabels":{"team":"wbe"}}\n'
    assert "team=web" in deployments
    assert "prunella.dev/heal=enabled" in labels
    assert story.startswith("incident-")
    assert story.endswith(" DryRunDone Would do: nothing.")
