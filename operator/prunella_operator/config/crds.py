"""Files that ship with Prunella: inside the package of a wheel, at the repository's root in an editable install."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from prunella_workflows.model.errors import NotFound


def crd_files() -> Sequence[Path]:
    """The CRD manifests.

    Raises:
        NotFound: this installation lacks them.
    """
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "crds", here.parents[1] / "crds"):
        if found := sorted(folder.glob("*.yaml")):
            return found
    raise NotFound("this installation of prunella has no CRD files; install the wheel, or work in a full checkout")


def crd_yaml() -> str:
    """All CRDs as one YAML stream for kubectl."""
    return "---\n".join(path.read_text().rstrip() + "\n" for path in crd_files())


def crds() -> tuple[dict[str, Any], ...]:
    """All CRDs, parsed."""
    return tuple(document for document in yaml.safe_load_all(crd_yaml()) if document)
