"""Operator with its webhook, worker and Temporal as processes, under an account of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.ports import free_ports
from support.api import Api
from support.audit import AuditLog
from support.identity import identity
from support.outage import Temporal
from support.prunella import PrunellaProcess


@dataclass(frozen=True)
class RunningApart:
    """Prunella while it runs; `user` is its account."""

    user: str
    temporal: Temporal
    operator: PrunellaProcess
    worker: PrunellaProcess

    @property
    def webhook(self) -> str:
        """The webhook's address."""
        return f"http://127.0.0.1:{self.operator.settings['webhook_port']}"


@contextmanager
def running_apart(
    api: Api, kubeconfig: Path, folder: Path, account: str, audit: AuditLog | None = None, **settings: object
) -> Iterator[RunningApart]:
    """Run it while the block lasts. `audit` keeps the account's writes from the first on; the settings are of both."""
    temporal = Temporal(folder / "temporal")
    shared = {"temporal_address": temporal.address, "log_level": "warning", **settings}
    temporal.start()
    try:
        with identity(api, kubeconfig, None, folder, account) as made:
            if audit:
                audit.users.add(made.user)
            own = {"webhook_port": free_ports(1)[0], **shared}
            operator = PrunellaProcess(folder / "operator", made.kubeconfig, "operator", **own)
            worker = PrunellaProcess(folder / "worker", made.kubeconfig, "worker", **shared)
            with operator, worker:
                yield RunningApart(made.user, temporal, operator, worker)
    finally:
        temporal.kill()
