"""Commands of the documents: the dry run of the first steps as it stands, then every other kubectl command.

Commands that would change something outside of the dry run are sent with --dry-run=server: the API server checks them.
"""

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]

DRY_RUN = "By hand, without a write"
OTHERS = {
    "docs/getting-started.md": {"Opt in, opt out", "Read what happened"},
    **dict.fromkeys(
        f"docs/{name}.md" for name in ("incident", "notifications", "policies", "safety", "troubleshooting")
    ),
}
WRITES = {"annotate", "apply", "create", "delete", "label", "patch"}
NAMESPACE = "shop"
WORKLOAD = "recommendations"


def first_steps(language):
    return [
        block
        for block in pages.blocks(ROOT / "docs" / "getting-started.md")
        if block.section == DRY_RUN and block.language in language
    ]


def is_typed(command):
    """Leave out commands for Prunella's own namespace: they need an installation."""
    return command.startswith(("kubectl ", "curl ")) and not command.startswith("kubectl -n prunella-system ")


def commands_of(page, sections):
    for block in pages.blocks(ROOT / page):
        if block.language in pages.SHELL and (sections is None or block.section in sections):
            yield from (command for command in pages.commands(block) if is_typed(command))


COMMANDS = sorted({command for page, sections in OTHERS.items() for command in commands_of(page, sections)})


def words(command):
    """The arguments of a command; files are found from anywhere."""
    _, *arguments = shlex.split(command)
    for place, option in enumerate(arguments[:-1]):
        if option == "-f":
            arguments[place + 1] = str(ROOT / arguments[place + 1])
    return arguments


class DryRun:
    """The section, run once: what its commands printed, and the two incidents that people opened."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.printed = {}
        self.shown = self.healed = ""

    def act(self):
        """Run it, and on failure report the state of every incident: the namespace is deleted afterwards."""
        try:
            self._play()
            self._heal()
        except (AssertionError, subprocess.SubprocessError) as error:
            raise AssertionError(f"{error}\n{self._kubectl('get', 'incidents,pods', '-o', 'yaml')}") from error

    def _play(self):
        for block in first_steps(pages.SHELL):
            for command in pages.commands(block):
                self.printed[command] = self.cluster.kubectl(*words(command), timeout=150)
        self.shown = self._created("created", "create ")

    def _heal(self):
        """Follow docs/troubleshooting.md for healing now.

        The incident of the sensor must be closed first, or that one would heal.
        """
        shown = "--for=jsonpath={.status.phase}=DryRunDone"
        self._kubectl("wait", "incident", "--all", shown, "--timeout=120s")
        self._kubectl("patch", "healingpolicy", "shop", "--type=merge", "-p", '{"spec":{"mode":"Heal"}}')
        body = (ROOT / "manifests/samples/dry-run/incident.yaml").read_text().replace("mode: DryRun", "mode: Heal")
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.cluster.kubeconfig), "create", "-o", "name", "-f", "-"],
            input=body, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        self.healed = done.stdout.strip().rpartition("/")[2]
        self._kubectl("wait", f"incident/{self.healed}", "--for=condition=Succeeded", "--timeout=150s")

    def _created(self, word, part):
        (text,) = (said for command, said in self.printed.items() if part in command)
        return text.split(f" {word}")[0].rpartition("/")[2]

    def _kubectl(self, *arguments):
        return self.cluster.kubectl("-n", NAMESPACE, *arguments, timeout=160)


@pytest.fixture(scope="module")
def dry_run(cluster, prunella):
    """A shop in a namespace of its own; one that exists already belongs to someone else."""
    if cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        pytest.fail(f"namespace {NAMESPACE} is there already: this test would change it, and then delete it")
    made = DryRun(cluster)
    try:
        made.act()
        yield made
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true", timeout=180)


def test_the_dry_run_shows_what_the_page_shows(dry_run):
    (sample,) = first_steps({"text"})
    table, _, diff = sample.text.partition("\n\n")
    (said,) = (text for command, text in dry_run.printed.items() if ".status.diff" in command)
    assert said.strip() == diff.strip()
    (listed,) = (text for command, text in dry_run.printed.items() if command.endswith("get incidents"))
    assert listed.splitlines()[0].split() == table.splitlines()[0].split()
    row = next(line.split() for line in listed.splitlines() if line.startswith(dry_run.shown))
    assert row[1:5] == ["DryRunDone", "ObserveMode", "pod_oom_killed", f"Deployment/{WORKLOAD}"]


def test_an_incident_by_hand_heals_what_was_only_shown(dry_run):
    told = dry_run.cluster.kubectl("-n", NAMESPACE, "get", "incident", dry_run.healed, "-o", "jsonpath={.status.phase}")
    assert told == "Healed"


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, dry_run, prunella):
    if command.startswith("curl "):
        assert prunella.http(command.rpartition(":8080")[2])
        return
    arguments = stand_ins(words(command), dry_run)
    if '"approval"' in command:  # the only incident at hand is closed, which the API server knows
        with pytest.raises(AssertionError, match="too late, the incident is closed"):
            dry_run.cluster.kubectl(*arguments, timeout=90)
        return
    dry_run.cluster.kubectl(*arguments, timeout=90)


def stand_ins(arguments, dry_run):
    """Names of the reader's objects become names of ours; what would write is only checked."""
    incident = dry_run.healed if any("condition=Succeeded" in argument for argument in arguments) else dry_run.shown
    names = {"payments": NAMESPACE, "legacy": WORKLOAD, "incident/NAME": f"incident/{incident}"}
    for place, before in enumerate(arguments[:-1]):
        if arguments[place + 1] == "NAME":
            names["NAME"] = WORKLOAD if before == "deployment" else incident
    replaced = [names.get(argument, argument) for argument in arguments]
    verb = next(argument for argument in arguments if not argument.startswith("-") and argument != NAMESPACE)
    return [*replaced, "--dry-run=server"] if verb in WRITES else replaced


def test_crds_are_applied_by_the_documented_command(cluster, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "prunella_operator", "crds"], capture_output=True, text=True, check=True, timeout=60
    )
    path = tmp_path / "crds.yaml"
    path.write_text(done.stdout)
    said = cluster.kubectl("apply", "--server-side", "--dry-run=server", "-f", str(path))
    assert said.count("customresourcedefinition") == 3
