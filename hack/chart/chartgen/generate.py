"""The chart's generated files, with the text that they should have."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from chartgen.edits import Edit
from chartgen.templates import TEMPLATES, Template

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "prunella"
NAMESPACE = "prunella-system"
_HEADER = (
    "{{- /* Generated from the manifests by `make chart`; do not edit. What differs: hack/chart/chartgen. */ -}}\n"
)
_LABELS = '    {{- include "prunella.labels" . | nindent 4 }}'


def files() -> Iterator[tuple[Path, str]]:
    """Each generated file with its text."""
    for template in TEMPLATES:
        yield CHART / "templates" / f"{template.name}.yaml", _HEADER + _render(template)
    path = CHART / "Chart.yaml"
    yield path, _with_version(path.read_text())


def _render(template: Template) -> str:
    text = "---\n".join((ROOT / manifest).read_text() for manifest in template.manifests)
    if "{{" in text:
        raise ValueError(f"{template.name}: a manifest contains {{{{, which Helm would replace")
    for edit in template.edits:
        text = edit.apply(text)
    text = "---\n".join(_own(document) for document in re.split(r"^---\n", text, flags=re.MULTILINE))
    text = text.replace(NAMESPACE, "{{ .Release.Namespace }}")
    return f"{{{{- if {template.when} }}}}\n{text}{{{{- end }}}}\n" if template.when else text


def _own(document: str) -> str:
    """Add the release's labels."""
    document = re.sub(r"^    app\.kubernetes\.io/part-of: .*\n", "", document, flags=re.MULTILINE)
    if re.search(r"^  labels:$", document, re.MULTILINE):
        return Edit(r"^  labels:$", f"  labels:\n{_LABELS}").apply(document)
    name = re.search(r"^metadata:\n  name: .*\n(?:  namespace: .*\n)?", document, re.MULTILINE)
    if not name:
        raise ValueError(f"metadata must begin with the name:\n{document[:200]}")
    return document[: name.end()] + f"  labels:\n{_LABELS}\n" + document[name.end() :]


def _with_version(chart: str) -> str:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = re.sub(r"^version: .*$", f"version: {version}", chart, flags=re.MULTILINE)
    chart = re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', chart, flags=re.MULTILINE)
    return re.sub(r"(image: \S+/prunella(?:-embedded|-telemetry)?:).*$", rf"\g<1>{version}", chart, flags=re.MULTILINE)
