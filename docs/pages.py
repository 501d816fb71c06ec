"""The documents, as the tests read them, and their generated parts, which `python docs/pages.py` writes."""  # noqa: INP001 - a script

import importlib
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import typer.main
import yaml
from prometheus_client.metrics import MetricWrapperBase
from typer.cli import get_docs_for_click

import prunella_operator
from prunella_operator.cli.main import app
from prunella_operator.config.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
SHELL = frozenset({"sh", "console"})
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
METRICS_PAGE = ROOT / "docs" / "monitoring.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_METRICS = re.compile(r"(?<=^<!-- metrics -->\n).*?(?=^<!-- end of metrics -->$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# What a default that is computed stands for; a test compares these words with the code.
COMPUTED = {
    "temporal_db": "`~/.local/state/prunella/temporal.db` (or below `$XDG_STATE_HOME`)",
    "http_host": "`127.0.0.1`; in a pod `0.0.0.0`",
    "webhook_host": "`127.0.0.1`; in a pod `0.0.0.0`",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text."""

    page: Path
    section: str
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    headings = [(one.start(), one[2]) for one in _HEADING.finditer(_without_fences(text))]
    for found in _FENCE.finditer(text):
        section = [title for start, title in headings if start < found.start()]
        yield Block(page, section[-1] if section else "", found[1], found[2])


def commands(block: Block) -> Iterator[str]:
    """The commands of a shell block: one a line, continued lines joined; of a console only what follows the prompt."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console":
            if line.startswith("$ "):
                yield _bare(line[2:])
        elif (command := _bare(line)) != "":
            yield command


def parts(command: str) -> list[list[str]]:
    """The programs of a pipeline, each with its arguments."""
    return [shlex.split(part) for part in re.split(r" \| | && ", command)]


def links(page: Path) -> Iterator[str]:
    """The targets of all links of a page."""
    yield from _LINK.findall(_without_fences(page.read_text()))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = [one[2] for one in _HEADING.finditer(_without_fences(page.read_text()))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def tables(page: Path) -> Iterator[list[str]]:
    """The rows of all tables of a page, as cells."""
    for line in _without_fences(page.read_text()).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\- :]+", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def settings_page() -> str:
    """The page about settings, from the code."""
    rows = [
        f"| `{name}` | `PRUNELLA_{name.upper()}` | {_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return _SETTINGS.format(rows="\n".join(rows))


def metrics_page() -> str:
    """The page about monitoring, with the table of all our metrics from the code."""
    rows = sorted(map(_metric_row, metrics()))
    table = ["", "| metric | kind | labels | meaning |", "|---|---|---|---|", *rows, "", ""]
    return _METRICS.sub(lambda _: "\n".join(table), METRICS_PAGE.read_text())


def metrics() -> Iterator[MetricWrapperBase]:
    """Every metric that any module of the operator defines, once."""
    known = set()
    for found in pkgutil.walk_packages(prunella_operator.__path__, "prunella_operator."):
        if not found.name.endswith("__main__"):
            for var in vars(importlib.import_module(found.name)).values():
                if isinstance(var, MetricWrapperBase) and id(var) not in known:
                    known.add(id(var))
                    yield var


def _metric_row(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - it is nowhere else
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def _default(name: str) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    value = Settings.model_fields[name].default
    if value is None or value == ():
        return ""
    return f"`{','.join(value) if isinstance(value, tuple) else str(value).lower()}`"


def resources_page() -> str:
    """The page about the fields of the custom resources, from their definitions."""
    return _RESOURCES + "".join(map(_resource, sorted((ROOT / "crds").glob("*.yaml"))))


def _resource(definition: Path) -> str:
    spec = yaml.safe_load(definition.read_text())["spec"]
    (version,) = spec["versions"]
    schema, names = version["schema"]["openAPIV3Schema"], spec["names"]
    rows = "\n".join(row for part in ("spec", "status") for row in _fields(schema["properties"].get(part), part))
    short = ", ".join(f"`{name}`" for name in names["shortNames"])
    return f"""
## {names["kind"]}

{schema["description"]}

`{spec["group"]}/{version["name"]}`, {spec["scope"].lower()}, for kubectl `{names["plural"]}` or {short}.

| field | type | meaning |
|---|---|---|
{rows}
"""


def _fields(schema: dict[str, Any] | None, path: str) -> Iterator[str]:
    """One row for a field and for each below it; `[]` is any of a list, `*` any key."""
    if schema is None:
        return
    meaning = " ".join(schema.get("description", "").split()).replace("|", "\\|")
    kind = schema.get("type", "any")
    yield f"| `{path}` | {' or '.join(f'`{one}`' for one in schema.get('enum', ())) or kind} | {meaning} |"
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    for key, inner in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(found := schema.get(key), dict) and found.get("properties"):
            yield from list(_fields(found, path + inner))[1:]


def commands_page() -> str:
    """The page about the command line, from its own help."""
    tree = typer.main.get_command(app)
    text = get_docs_for_click(obj=tree, ctx=typer.Context(tree), name="prunella")
    return _COMMANDS + text.partition("\n")[2].replace("```console", "```text").rstrip() + "\n"


def _bare(line: str) -> str:
    """A line without its comment."""
    return re.sub(r"\s+#\s.*$|^#.*$", "", line).strip()


def _without_fences(text: str) -> str:
    """The text with fenced blocks blanked out, so that places in it stay the same."""
    return _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


_SETTINGS = """# Settings

This page is generated from the code by `python docs/pages.py`; a test checks it.

Precedence, lowest first: the default, a `PRUNELLA_*` environment variable, a flag (`--set NAME=VALUE`, or its own).
[Temporal's own configuration](temporal.md#connect-to-a-server-of-yours) replaces the defaults of its connection.
`prunella settings` prints the effective values and their sources; secrets are hidden.
What Prunella may do to workloads is not a setting: see [policies](policies.md).

| setting | variable | default | meaning |
|---|---|---|---|
{rows}

`prunella run` uses `embedded` as its default for `temporal_address`, unless Temporal's own configuration has one.
An unknown `PRUNELLA_*` variable is rejected, so that a misspelt one is noticed; variables that Kubernetes sets in pods
for Services are ignored.
Pass an API key as a variable, not as a flag: flags are visible to other processes.
"""

_RESOURCES = """# Resources

This page is generated from the resource definitions by `python docs/pages.py`; a test checks it.
`kubectl explain incident.spec` prints the same.
[Incidents](../incident.md) and [policies](../policies.md) explain how to use the fields.
"""

_COMMANDS = """# Commands

This page is generated from the program's help by `python docs/pages.py`; a test checks it.
[The command line](../cli.md) is shorter and has examples.
"""

GENERATED: dict[Path, Callable[[], str]] = {
    SETTINGS_PAGE: settings_page,
    METRICS_PAGE: metrics_page,
    ROOT / "docs" / "reference" / "resources.md": resources_page,
    ROOT / "docs" / "reference" / "commands.md": commands_page,
}

if __name__ == "__main__":
    for page, written in GENERATED.items():
        page.write_text(written())
