"""The shell commands of a documentation page, run as they stand."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from localcluster.environment import caller_environment
from support.cluster import ROOT

_spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
assert _spec is not None
assert _spec.loader is not None
pages = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("docs_pages", pages)  # dataclasses look their module up
_spec.loader.exec_module(pages)

_AT_MOST = 300  # seconds for one command


def commands_of(page: str, section: str) -> list[str]:
    """The commands of the shell blocks below one heading."""
    found = list(_commands_of(ROOT / page, section))
    assert found, f"{page} has no commands below {section}"
    return found


def _commands_of(page: Path, section: str) -> Iterator[str]:
    for block in pages.blocks(page):
        if block.section == section and block.language in pages.SHELL:
            yield from pages.commands(block)


def typed(command: str, kubeconfig: Path, instead: Mapping[str, str]) -> str:
    """Run a command, with the words that `instead` replaces, and return its output."""
    for word, other in instead.items():
        command = command.replace(word, other)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**caller_environment(), "KUBECONFIG": str(kubeconfig), "PATH": path}
    line = ["bash", "-o", "pipefail", "-ec", command]
    done = subprocess.run(line, capture_output=True, text=True, timeout=_AT_MOST, env=variables, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
