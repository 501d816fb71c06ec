"""Output of `prunella settings` and `prunella playbooks`."""

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr
from rich.table import Table

from prunella_operator.cli.output import ListFormat, document, for_programs, print_list
from prunella_operator.config.environment import find_sources, variable
from prunella_operator.config.settings import Settings
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.redaction import redact

if TYPE_CHECKING:
    from prunella_workflows.decisions.playbooks.playbook import Playbook

_SOURCE_STYLE = {"default": "dim", "temporal": "green", "env": "cyan", "flag": "yellow"}


def print_settings(settings: Settings, flags: Collection[str], output: ListFormat | None) -> None:
    """Print each setting with value, source and meaning; the wide table has its variable too."""
    sources = find_sources(Settings.model_fields, flags, os.environ)
    rows = [
        {
            "name": name,
            "variable": variable(name),
            "value": _printable(getattr(settings, name)),
            "source": sources[name],
            "about": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if for_programs(output):
        print_list(document("SettingList", items=rows), list(Settings.model_fields), output)
    else:
        console().print(_settings_table(rows, wide=output is ListFormat.WIDE))


def _settings_table(rows: Sequence[dict[str, object]], *, wide: bool) -> Table:
    columns = ("SETTING", *(("VARIABLE",) if wide else ()), "VALUE", "FROM", "ABOUT")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        value, source = row["value"], str(row["source"])
        text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
        names = (str(row["name"]), *((str(row["variable"]),) if wide else ()))
        table.add_row(*names, safe(text), safe(source, _SOURCE_STYLE[source]), str(row["about"]))
    return table


def _printable(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, tuple):
        return list(value)
    return redact(value) if isinstance(value, str) else value


def print_playbooks(playbooks: Sequence["Playbook"], output: ListFormat | None) -> None:
    """Print each root cause, its symptoms and its steps."""
    if for_programs(output):
        rows = [
            {"cause": str(playbook.cause), "summary": playbook.summary, "steps": list(playbook.steps)}
            for playbook in playbooks
        ]
        print_list(document("PlaybookList", items=rows), [str(playbook.cause) for playbook in playbooks], output)
        return
    out = console()
    for playbook in playbooks:
        out.print(safe(str(playbook.cause), "bold"))
        out.print(safe(f"  {playbook.summary}"), soft_wrap=True)
        for number, step in enumerate(playbook.steps, 1):
            out.print(safe(f"  {number}. {step}"), soft_wrap=True)
