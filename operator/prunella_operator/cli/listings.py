"""Output of `prunella settings` and `prunella playbooks`."""

import json
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr
from rich.table import Table

from prunella_operator.config.environment import find_sources
from prunella_operator.config.settings import Settings
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.redaction import redact

if TYPE_CHECKING:
    from prunella_workflows.decisions.playbooks.playbook import Playbook

_SOURCE_STYLE = {"default": "dim", "env": "cyan", "flag": "yellow"}


def print_settings(settings: Settings, flags: Collection[str], as_json: bool) -> None:
    """Print each setting with value, source and meaning."""
    sources = find_sources(Settings.model_fields, flags, os.environ)
    rows = [
        {
            "name": name,
            "value": _printable(getattr(settings, name)),
            "source": sources[name],
            "about": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    out = console()
    if as_json:
        out.print_json(json.dumps(rows), indent=2)
        return
    table = Table("SETTING", "VALUE", "FROM", "ABOUT", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        value, source = row["value"], str(row["source"])
        text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
        table.add_row(str(row["name"]), safe(text), safe(source, _SOURCE_STYLE[source]), str(row["about"]))
    out.print(table)


def _printable(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, tuple):
        return list(value)
    return redact(value) if isinstance(value, str) else value


def print_playbooks(playbooks: Sequence["Playbook"], as_json: bool) -> None:
    """Print each root cause, its symptoms and its steps."""
    out = console()
    if as_json:
        rows = [
            {"cause": str(playbook.cause), "summary": playbook.summary, "steps": list(playbook.steps)}
            for playbook in playbooks
        ]
        out.print_json(json.dumps(rows), indent=2)
        return
    for playbook in playbooks:
        out.print(safe(str(playbook.cause), "bold"))
        out.print(safe(f"  {playbook.summary}"), soft_wrap=True)
        for number, step in enumerate(playbook.steps, 1):
            out.print(safe(f"  {number}. {step}"), soft_wrap=True)
