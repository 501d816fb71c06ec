"""kopf without the kubernetes package, which it would import (14 MiB) only to accept that package's typed models.

We hand it none. A process that uses the package anyway (a worker beside the operator) gets it from its own import.
"""

import sys

_NAME = "kubernetes"
_hidden = _NAME not in sys.modules
if _hidden:
    sys.modules[_NAME] = None  # type: ignore[assignment]  # makes the import fail, as where it is not installed
import kopf  # noqa: E402

if _hidden:
    del sys.modules[_NAME]

__all__ = ["kopf"]
