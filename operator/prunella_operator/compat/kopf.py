"""kopf without the kubernetes package (14 MiB), which it imports only to accept that package's typed models.

We pass it none. A process that needs the package anyway (a worker in the operator's process) imports it itself.
"""

from prunella_operator.compat.import_without import hide_package

with hide_package("kubernetes"):
    import kopf

__all__ = ["kopf"]
