"""Commands of the pages on installing and upgrading, and those that create Secrets for Prunella, on a real API server:
writes are dry runs.
"""

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.access_control import HOME
from support.deployments import gone

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NAMESPACES = (HOME, "prunella-records", "shop", "temporal")
WRITES = {"apply", "create", "delete", "label"}
NEED_MORE = {"rollout", "exec", "get"}  # pods, or what test_autoscaling.py has: an API server alone has neither
PROGRAM = "import sys; from prunella_operator.cli.main import main; sys.argv = ['prunella', *sys.argv[1:]]; main()"
WHOLE = {ROOT / "docs" / "install.md", ROOT / "docs" / "upgrade.md"}
SECRET = "kubectl -n prunella-system create secret "
COMMANDS = dict.fromkeys(
    command
    for page in pages.PAGES
    for block in pages.blocks(page)
    if block.language in pages.SHELL
    for command in pages.commands(block)
    if pages.parts(command)[-1][0] == "kubectl" and (page in WHOLE or command.startswith(SECRET))
    if not NEED_MORE & set(command.split())
)


def verb_of(arguments):
    return arguments[2] if arguments[0] == "-n" else arguments[0]


@pytest.fixture(scope="module")
def system_namespace(api):
    """The namespaces that the commands are about."""
    for name in NAMESPACES:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield
    for name in NAMESPACES:
        gone(api, f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_accepted(cluster, system_namespace, command, tmp_path):
    *before, (_, *arguments) = pages.parts(command)
    for place, option in enumerate(arguments[:-1]):
        if option in {"-f", "-k"} and arguments[place + 1] != "-":
            arguments[place + 1] = str(ROOT / arguments[place + 1])
    if before:
        (program,) = before
        printed = subprocess.run([sys.executable, "-c", PROGRAM, *program[1:]], capture_output=True, check=True)
        (tmp_path / "printed.yaml").write_bytes(printed.stdout)
        arguments[arguments.index("-")] = str(tmp_path / "printed.yaml")
    assert verb_of(arguments) in WRITES, shlex.join(arguments)
    said = cluster.kubectl(*arguments, "--dry-run=server")
    assert said or "--ignore-not-found" in arguments
