"""kopf without the kubernetes package, which it would import (14 MiB) only to accept that package's typed models.

We hand it none. A process that uses the package anyway (a worker beside the operator) gets it from its own import.
"""

from prunella_operator.compat.import_without import without

with without("kubernetes"):
    import kopf

__all__ = ["kopf"]
