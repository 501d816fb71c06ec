"""temporalio without grpc (8 MiB), which it imports if installed, only for stubs that it does not use itself.

Import this before anything else imports temporalio. Tracing needs grpc and imports it itself.
"""

from prunella_operator.compat.import_without import hide_package

with hide_package("grpc"):
    import temporalio.client

__all__ = ["temporalio"]
