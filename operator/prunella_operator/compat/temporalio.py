"""temporalio without grpc, which it imports (8 MiB) where it finds it, only for stubs that it does not use itself.

To be imported before anything else imports temporalio. Tracing, which needs grpc, gets it from its own import.
"""

from prunella_operator.compat.import_without import without

with without("grpc"):
    import temporalio.client

__all__ = ["temporalio"]
