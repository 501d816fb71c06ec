"""The CRD manifests that ship with Prunella: in the wheel's package, or at the root of a checkout."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from prunella_workflows.model.errors import NotFound


def crd_files() -> Sequence[Path]:
    """The CRD manifests. Raises NotFound if this installation does not contain them."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "crds", here.parents[1] / "crds"):
        if files := sorted(folder.glob("*.yaml")):
            return files
    raise NotFound("this installation of prunella has no CRD files; install the wheel, or use a full checkout")


def crd_yaml() -> str:
    """All CRDs as one YAML stream for kubectl."""
    return "---\n".join(path.read_text().rstrip() + "\n" for path in crd_files())


def crds() -> tuple[dict[str, Any], ...]:
    """All CRDs, parsed."""
    return tuple(document for document in yaml.safe_load_all(crd_yaml()) if document)
