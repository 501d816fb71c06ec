"""How `prunella settings` and `prunella playbooks` print."""

import json
import os
from collections.abc import Collection, Sequence
from typing import Protocol

from pydantic import SecretStr
from rich.table import Table

from prunella_operator.config.environment import sources
from prunella_operator.config.settings import Settings
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.redaction import redact

_SOURCE_STYLE = {"default": "dim", "env": "cyan", "flag": "yellow"}


class Described(Protocol):
    """A playbook, as far as it is printed."""

    @property
    def cause(self) -> str:
        """The root cause it is for."""

    @property
    def summary(self) -> str:
        """How it recognises the cause."""

    @property
    def steps(self) -> Sequence[str]:
        """What it does, in order."""


def show_settings(settings: Settings, given: Collection[str], as_json: bool) -> None:
    """Each setting with value, source and reason."""
    came_from = sources(Settings.model_fields, given, os.environ)
    rows = [
        {"name": name, "value": _shown(getattr(settings, name)), "source": came_from[name], "about": field.description}
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


def _shown(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, tuple):
        return list(value)
    return redact(value) if isinstance(value, str) else value


def show_playbooks(playbooks: Sequence[Described], as_json: bool) -> None:
    """Each root cause, how it is recognised, and its steps."""
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
