"""temporalio without grpc (8 MiB), whose stubs it does not use. Import this first; tracing imports grpc itself."""

from prunella_operator.compat.import_without import hide_package

with hide_package("grpc"):
    import temporalio.client

__all__ = ["temporalio"]
