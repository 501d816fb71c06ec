"""kopf without the kubernetes package (14 MiB), which it imports only for its models. A worker imports it itself."""

from prunella_operator.compat.import_without import hide_package

with hide_package("kubernetes"):
    import kopf

__all__ = ["kopf"]
