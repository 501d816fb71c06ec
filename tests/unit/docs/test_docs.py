"""The documents agree with the code: links, commands, settings, reasons, policy fields.

A command in a `sh` block is run by a test (`tests/e2e/test_docs.py`), or stands in NOT_RUN with the reason why not.
"""

import ast
import importlib.util
import itertools
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer.main
from prometheus_client import REGISTRY
from pydantic import BaseModel
from typer.testing import CliRunner

from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.cli.main import app
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes import request
from prunella_operator.temporal.payload_codec import parse_keys
from prunella_workflows.decisions import guards
from prunella_workflows.decisions.playbooks import surroundings
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.incident_status import IncidentStatus, Phase
from prunella_workflows.model.outcome import Cause, Verdict
from prunella_workflows.model.policy import BUILT_IN, PolicySpec
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)

ALL = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages.PAGES]
SHELL = [block for page in pages.PAGES for block in pages.blocks(page) if block.language in pages.SHELL]
COMMANDS = sorted({(block.page, command) for block in SHELL for command in pages.commands(block)})
KUBECTL = {
    "annotate", "apply", "cluster-info", "create", "delete", "describe", "events", "exec", "get", "label", "patch",
    "rollout", "scale", "set", "wait",
}  # fmt: skip

# The sections whose kubectl commands e2e runs against a real cluster.
RUN_BY_E2E = {
    "docs/getting-started.md": {"By hand, without a write", "Opt in, opt out", "Read what happened"},
    "docs/incident.md": None,
    "docs/notifications.md": None,
    "docs/policies.md": None,
    "docs/safety.md": None,
    "docs/troubleshooting.md": None,
}

# The pages whose kubectl commands tests/integration/test_docs_install.py sends to a real API server, and what it sends
# of all other pages. The sections of INSTALL on installing and uninstalling are also typed by
# tests/e2e/test_quickstart.py, test_production.py and test_chart.py, with the commands that need pods.
INSTALL = "docs/install.md"
RUN_BY_INTEGRATION = {INSTALL, "docs/upgrade.md"}
SECRET = "kubectl -n prunella-system create secret "

# Why a command is not run by a test. A pattern that matches nothing any more is an error.
NOT_RUN = {
    "make demo*": "the demo has tests of its own, and CI runs it",
    "make test*": "this is what is running now; CI runs it from a clean checkout",
    "make check": "CI runs both of its parts",
    "make audit": "needs PyPI's advisories; tests/unit/hack/test_audit.py runs the program against a server of its own",
    "make telemetry": "tests/integration/telemetry/test_demo.py runs it",
    "make setup": "CI runs it by every other target",
    "make unit": "a part of make test",
    "make integration": "a part of make test",
    "make e2e": "a part of make test",
    "make faults": "takes many minutes; its cases are tests themselves",
    "make shadow": "takes many minutes; it is a test itself",
    "make benchmark *": "takes many minutes; tests/unit/benchmark judges and decides without a cluster",
    "make replay-decisions*": "tests/unit/operator/reporting/test_replay.py replays the same files",
    "make chaos": "takes up to three hours; it is a test itself",
    "make storm": "takes many minutes; it is a test itself",
    "make orders*": "takes half an hour; tests/e2e/test_orders.py is the same as a test",
    "make keda": "its first build takes many minutes; it is a test itself",
    "make docs": "tests/unit/docs/test_site.py builds it",
    "make image*": "tests/support/image.py builds it by the same program",
    "make dist *": "tests/unit/manifests/test_chart.py runs the program",
    "make package": "tests/support/image.py builds the wheel by the same back end",
    "helm install *": "tests/unit/manifests/test_chart.py renders what is installed",
    "helm test *": "tests/e2e/test_chart.py types it",
    "helm upgrade *": "tests/e2e/test_chart.py types it",
    "helm uninstall *": "tests/e2e/test_chart.py types it",
    "docker compose up *": "needs Docker and images; tests/unit/manifests/test_compose.py holds the file to its schema",
    "kind *": "needs Docker",
    "mkdir *": "of the shell of a person",
    "docker build *": "needs Docker; tests/support/image.py builds it by the same program",
    "kubectl * try*": "tests/e2e/test_quickstart.py types them",
    "make cluster": "the fixture `cluster` runs the same program",
    "export OTEL_EXPORTER_OTLP_ENDPOINT=*": "of the shell of a person; tests/workflow/test_tracing.py reads the spans",
    "PRUNELLA_TRACE_FOLDER=*": "it is a test itself",
    ".venv/bin/python docs/trace_picture.py *": "tests/unit/docs/test_trace_picture.py draws one",
    ".venv/bin/python hack/monitoring draw *": "tests/integration/test_monitoring.py runs it with another Prometheus",
    "source .venv/bin/activate": "of the shell of a person",
    'eval "$(.venv/bin/python hack/cluster env)"': "tests/unit/hack/test_cluster_tool.py tests what it prints",
    "prunella run*": "e2e runs it with other ports (tests/support/prunella.py)",
    "prunella codec-server *": "tests/unit/operator/codec_server runs the same server over HTTP",
    "prunella doctor*": "tests/unit/operator/doctor/test_checks.py",
    "prunella notify test *": "tests/unit/operator/cli/test_notify.py sends to a local server",
    "prunella policy explain *": "tests/unit/operator/cli/test_policy.py has each form",
    "prunella incidents *": "tests/unit/operator/cli runs each of them against a scripted API",
    "prunella report *": "tests/unit/operator/cli/test_report.py has each form",
    "prunella diagnose *": "tests/unit/operator/cli/test_diagnose.py compares what it prints",
    "kubectl -n shop get healingpolicy trust *": "tests/unit/operator/policies/test_earned_levels.py has each level",
    "kubectl -n prunella-records get *": "tests/unit/operator/kubernetes/test_track_records.py has the ConfigMaps",
    "kubectl cluster-info dump *": "of a person's own cluster",
    "kubectl get statefulsets,*": "of a person's own cluster",
    "prunella replay *": "tests/unit/operator/cli/test_replay.py has each form",
    "prunella verify *": "tests/unit/operator/cli/test_verify.py; tests/e2e/test_statements.py has a real log",
    "PRUNELLA_SIGNING_KEY_FILE=* prunella incidents export *": "tests/unit/operator/cli/test_verify.py signs one",
    "openssl genpkey *": "of the shell of a person",
    "openssl pkey *": "of the shell of a person",
    "prunella uninstall*": "tests/unit/operator/cli/test_uninstall.py, and tests/e2e/test_production.py types it",
    "prunella crds | kubectl apply --server-side -f -": "tests/e2e/test_docs.py runs it by itself",
    "kubectl get incidents -A -l prunella.dev/source=alerts": "activities/alerts/test_activities.py has the label",
    "kubectl apply -f manifests/monitoring/*": "needs the Prometheus operator; tests/unit/hack reads the files",
    "kubectl -n monitoring *": "needs the Prometheus operator and Grafana",
    "kubectl -n temporal exec *": "tests/integration/temporal/test_postgresql.py runs what is behind the two dashes",
    "kubectl -n temporal rollout *": "needs the images in a cluster with nodes",
    "kubectl -n temporal wait *": "needs the images in a cluster with nodes",
    "kubectl -n temporal *": "tests/integration/test_docs_temporal.py runs it",
    "kubectl apply --server-side *temporal*": "tests/integration/test_docs_temporal.py runs it",
    ".venv/bin/python hack/telemetry load *": "tests/integration/telemetry/test_demo.py runs the same load",
    '[A-Z]*="$(openssl *': "of the shell of a person",
    "openssl req *": "of the shell of a person; tests/integration/telemetry/test_manifests.py signs such certificates",
    "kubectl apply --server-side * manifests/telemetry*": "test_manifests.py sends it to an API server",
    "kubectl -n telemetry *": "needs the images in a cluster with nodes",
    "kubectl -n prunella-system scale *": "needs the image in a cluster with nodes",
    "kubectl -n prunella-system annotate scaledobject *": "needs KEDA in a cluster with nodes",
    "prunella telemetry *": "tests/unit/operator/cli/test_telemetry.py",
    "promtool *": "tests/integration/test_monitoring.py runs it on these files",
    "temporal *": "tests/integration/test_troubleshooting.py and test_docs_sagas.py type them",
    "python orders.py *": "tests/integration/temporal/test_docs_sagas.py types it",
}


def is_run_by_e2e(page, section, command):
    if command.startswith(SECRET):
        return True
    name = str(page.relative_to(ROOT))
    if name in RUN_BY_INTEGRATION and (name == INSTALL or not {"rollout", "exec"} & set(command.split())):
        return command.startswith(("kubectl ", "prunella rbac ", "prunella crds "))
    sections = RUN_BY_E2E.get(str(page.relative_to(ROOT)), ())
    return command.startswith(("kubectl ", "curl ")) and (sections is None or section in sections)


@pytest.mark.parametrize("page", ALL)
def test_links_and_anchors_resolve(page):
    for link in pages.links(page):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leaves the repository"
        if anchor:
            assert anchor in pages.anchors(target), f"{page.name}: {link}"


def test_every_document_is_linked():
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in pages.PAGES for link in pages.links(page)}
    assert [str(page) for page in pages.PAGES if page.name != "README.md" and page.resolve() not in linked] == []


@pytest.mark.parametrize("page", ALL)
def test_one_sentence_a_line_and_no_traces_of_a_machine(page):
    text = page.read_text()
    assert not re.search(r"(?<![\w./])/(root|home|work|tmp|Users)/", text), "a path of one machine"
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE), "blanks at the end of a line"


def test_every_command_is_run_or_says_why_not():
    unknown, used = [], set()
    run = {
        command
        for block in SHELL
        for command in pages.commands(block)
        if is_run_by_e2e(block.page, block.section, command)
    }
    for block in SHELL:
        for command in pages.commands(block):
            patterns = [pattern for pattern in NOT_RUN if fnmatch(command, pattern) or command == pattern]
            used.update(patterns)
            if not patterns and command not in run:  # runbooks repeat what the other pages have
                unknown.append(f"{block.page.name}: {command}")
    assert unknown == []
    assert set(NOT_RUN) - used == set(), "no document has such a command any more"


@pytest.mark.parametrize("command", sorted({command for _, command in COMMANDS}))
def test_commands_are_well_formed(command):
    for program, *arguments in pages.parts(command):
        check = {"make": check_make, "kubectl": check_kubectl, "prunella": check_prunella}.get(program)
        if check:
            check(arguments)


WORDS = re.compile(r"--from-literal=(token|keys)=\"\$\((openssl [^)]*)\)\"")
SECRETS = sorted({found for _, command in COMMANDS for found in WORDS.findall(command)})


@pytest.mark.parametrize(("key", "command"), SECRETS)
def test_a_secret_that_is_made_by_chance_is_one_that_prunella_takes(key, command, tmp_path):
    made = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
    (tmp_path / key).write_text(made)
    if key == "keys":
        assert len(parse_keys(made)) == 1
    else:
        assert TokenFile(tmp_path / key).accepts(f"Bearer {made.strip()}")


def test_every_kind_of_secret_that_is_made_by_chance_is_tried():
    assert {key for key, _ in SECRETS} == {"token", "keys"}


def check_make(arguments):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert arguments[0] in targets
    for assignment in arguments[1:]:
        assert re.search(rf"^{assignment.partition('=')[0]} \?=", (ROOT / "Makefile").read_text(), re.MULTILINE)


def check_kubectl(arguments):
    rest_of = arguments[2:] if arguments[0] in {"-n", "--context"} else arguments
    assert rest_of[0] in KUBECTL
    files = [after for option, after in itertools.pairwise(arguments) if option in {"-f", "-k"}]
    for name in files:
        assert name == "-" or (ROOT / name).exists(), name


def check_prunella(arguments):
    """Every word is a command or one of its options, and has a help text."""
    command, words, path = typer.main.get_command(app), list(arguments), []
    while words and words[0] in getattr(command, "commands", {}):
        path.append(words.pop(0))
        command = command.commands[path[-1]]
    assert path, f"prunella {arguments}: no such command"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= set(command.get_help_option_names(command.make_context("prunella", [], resilient_parsing=True)))
    assert [word for word in words if word.startswith("-") and word.partition("=")[0] not in known] == []
    assert CliRunner().invoke(app, [*path, "--help"]).exit_code == 0


@pytest.mark.parametrize("page", ALL)
def test_paths_in_the_text_exist(page):
    """But in pages that are dated: results, decisions and the changelog."""
    if page.name != "CHANGELOG.md" and page.parent.name not in {"results", "decisions"}:
        paths = re.findall(r"`((?:tests|hack|manifests|operator|workflows)/[\w./*-]+)`", page.read_text())
        assert [path for path in paths if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", ALL)
def test_prunella_commands_in_the_text_exist(page):
    words = re.findall(r"`prunella ([a-z][a-z-]*(?: [a-z]+)?)", page.read_text())
    tree = typer.main.get_command(app)
    for found in words:
        first, _, second = found.partition(" ")
        assert first in tree.commands, found
        if second and hasattr(tree.commands[first], "commands"):
            assert second in tree.commands[first].commands, found


def test_the_command_line_page_has_every_command():
    text = (ROOT / "docs" / "cli.md").read_text()
    tree = typer.main.get_command(app)
    groups = {name: entry for name, entry in tree.commands.items() if hasattr(entry, "commands")}
    wanted = {name for name in tree.commands if name not in groups}
    wanted |= {f"{name} {under}" for name, group in groups.items() for under in group.commands}
    assert [name for name in sorted(wanted) if f"| `prunella {name}` |" not in text] == []


@pytest.mark.parametrize("page", pages.GENERATED, ids=lambda page: page.stem)
def test_generated_pages_are_what_the_code_says(page):
    assert page.read_text() == pages.GENERATED[page](), "run: python docs/pages.py"


def test_computed_settings_are_explained(monkeypatch):
    computed = {name for name, field in Settings.model_fields.items() if field.default_factory is not None}
    assert computed == set(pages.COMPUTED)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    for place in ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}):
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        for name, value in place.items():
            monkeypatch.setenv(name, value)
        for name, words in pages.COMPUTED.items():
            value = Settings.model_fields[name].default_factory().replace("/nowhere", "~")
            assert f"`{value}`" in words


def test_metrics_table_has_every_metric():
    listed = {row[0].strip("`").removesuffix("_total") for row in pages.tables(pages.METRICS_PAGE)}
    exposed = {metric.name for metric in REGISTRY.collect() if re.match(r"prunella_|temporal_(?!sdk_)", metric.name)}
    assert exposed - listed == set()


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def camel(model, prefix=""):
    """The fields of a model by their names in YAML, those of nested models with dots."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from camel(inner, f"{prefix}{field.alias or name}.")
        else:
            yield f"{prefix}{field.alias or name}"


@pytest.mark.parametrize(
    ("heading", "model", "values"),
    [("field", PolicySpec, BUILT_IN), ("field of `telemetry`", TelemetryPolicy, DEFAULTS)],
)
def test_policy_fields_and_built_in_values(heading, model, values):
    rows = table_of(ROOT / "docs" / "policies.md", heading)
    assert [name for name, _, _ in rows] == list(camel(model))
    built_in = {name: shown(value) for name, value in flat(values.to_object())}
    assert {name: value for name, value, _ in rows} == built_in


def shown(value):
    """A value as the pages show it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value) if isinstance(value, tuple | list) else value)


def table_of(page, heading):
    """The rows of the table whose first header cell this is."""
    rows = list(pages.tables(page))
    start = [row[0] for row in rows].index(heading) + 1
    inside = itertools.takewhile(lambda row: row[0].startswith("`"), rows[start:])
    return [[cell.strip("`") for cell in row] for row in inside]


def first_column(page, *, of):
    """The names in backticks in the first column of each table whose first header cell is `of`."""
    found, inside = set(), False
    for line in page.read_text().splitlines():
        if not line.startswith("|"):
            inside = False
        elif not inside:
            inside = line.startswith(f"| {of} |")
        else:
            found.update(re.findall(r"`([\w.]+)`", line.split("|")[1]))
    return found


def test_incident_fields_and_phases():
    page = ROOT / "docs" / "incident.md"
    fields = first_column(page, of="field")
    for model in (IncidentSpec, IncidentStatus):
        assert [
            entry
            for entry in (field.alias or name for name, field in model.model_fields.items())
            if entry not in fields
        ] == []
    assert first_column(page, of="phase") == {phase.value for phase in Phase}


def test_causes_verdicts_and_guards():
    concepts = ROOT / "docs" / "concepts.md"
    for page in (concepts, ROOT / "docs" / "what-it-does.md"):
        assert first_column(page, of="root cause") == {cause.value for cause in Cause}
    assert first_column(concepts, of="verdict") == {verdict.value for verdict in Verdict}
    assert first_column(ROOT / "docs" / "safety.md", of="guard") == {guard.name for guard in guards.GUARDS}


def called(tree):
    """Calls by the name of what is called, with their constant arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            named = {
                keyword.arg: keyword.value.value for keyword in node.keywords if isinstance(keyword.value, ast.Constant)
            }
            effects = {arg.attr for arg in node.args if isinstance(arg, ast.Attribute)}
            yield name, words if starts_plain(node) or name == "Block" else [], named, effects


def starts_plain(call):
    return bool(call.args) and isinstance(call.args[0], ast.Constant)


def reasons_to_escalate():
    """Every reason that an escalation can bear, read from the code."""
    brain = ROOT / "workflows" / "prunella_workflows"
    files = [*brain.rglob("*.py"), *(ROOT / "operator" / "prunella_operator" / "activities").rglob("*.py")]
    for path in files:
        for name, words, named, effects in called(ast.parse(path.read_text())):
            if (name == "Block" and words and effects & {"ESCALATE", "WAIT"}) or (
                name in {"hand_over", "_hand_over", "escalate", "inconclusive"} and words
            ):
                yield words[0]
            elif named.get("reason") and (name == "Plan" or (name, path.name) == ("Judgement", "verify.py")):
                yield named["reason"]
    for playbook in surroundings.PLAYBOOKS:
        yield "".join(part.capitalize() for part in playbook.cause.split("_"))
    yield from error_reasons(PrunellaError)
    yield "Unanswered"


def error_reasons(kind):
    """The kinds of our errors that an activity can let out: those of the shared tree."""
    for error in kind.__subclasses__():
        if error.__module__ == "prunella_workflows.model.errors" and error.__name__ not in {"Retryable", "Permanent"}:
            yield error.__name__
        yield from error_reasons(error)


def test_every_reason_to_escalate_is_explained():
    explained = first_column(ROOT / "docs" / "troubleshooting.md", of="reason")
    found = set(reasons_to_escalate())
    assert {"MemoryAtMaximum", "Paused", "NotUndone", "ScaledToZero", "Refused", "OutsideWindow"} <= found
    assert found - explained == set()
    assert explained - found == {"WorkflowLost"}, "a reason that the code does not know"
    assert issubclass(request.AlreadyExists, PrunellaError)  # it never leaves an activity: each use expects it


def test_the_drawn_import_layers_are_those_of_import_linter():
    drawn = next(block.text for block in pages.blocks(ROOT / "docs" / "development.md") if "__main__" in block.text)
    lines = drawn.replace("\n\n", "\n").splitlines()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {entry["containers"][0]: entry["layers"] for entry in contracts if entry.get("exhaustive")}
    assert lines == [line for package in sorted(layers) for line in (package, *(f"  {row}" for row in layers[package]))]


@pytest.mark.parametrize("page", ALL)
def test_yaml_examples_fit_the_models(page):
    yaml = pytest.importorskip("yaml")
    from prunella_workflows.model.policy import ClusterHealingPolicySpec, HealingPolicySpec

    kinds = {
        "Incident": IncidentSpec,
        "HealingPolicy": HealingPolicySpec,
        "ClusterHealingPolicy": ClusterHealingPolicySpec,
    }
    for block in pages.blocks(page):
        if block.language == "yaml":
            for document in yaml.safe_load_all(block.text):
                parsed = kinds[document["kind"]].model_validate(document["spec"])
                kept = parsed.model_dump(by_alias=True, exclude_unset=True)
                assert set(document["spec"]) == set(kept), "a field that the model does not know"


@pytest.mark.parametrize("page", ALL)
def test_python_examples_run(page, monkeypatch):
    """The blocks of a section are one file. An existing cause replaces the one that the reader is about to add."""
    files = defaultdict(lambda: {"__name__": "example"})
    for block in pages.blocks(page):
        if block.language == "python":
            code = block.text.replace("Cause.CERTIFICATE_EXPIRED", "Cause.UNKNOWN")
            names = files[block.section]
            exec(compile(code, f"{page.name} example", "exec"), names)
            if playbook := names.get("PLAYBOOK"):
                assert callable(playbook.diagnose)
                assert callable(playbook.plan)
