"""The speed of the webhook under many alerts, with a real Temporal and a worker that handles them.

Webhook, worker, Temporal and the sender are processes of their own, as in a cluster; the activities are scripted, so no
API server is needed. Each row is one storm; its rate does not depend on the answers.

    python tests/bench/webhook.py --alerts 1000 --seconds 60
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

import structlog  # noqa: E402
from localcluster.ports import free_ports  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from support import alert_storm  # noqa: E402
from temporalio.client import Client  # noqa: E402
from workflow.alert_env import QUEUE, ScriptedAlertActivities, alert_worker, enriched  # noqa: E402

from prunella_operator.alerts.server import run_webhook  # noqa: E402
from prunella_operator.config.settings import Settings  # noqa: E402
from prunella_operator.process import Process  # noqa: E402
from prunella_operator.temporal.client import EmbeddedTemporal, connect  # noqa: E402
from prunella_workflows.model.alert_policy import AlertHandlingMode  # noqa: E402

TARGET = 0.2  # seconds, of the 99th percentile


def settings(args) -> Settings:
    return Settings.load(
        {
            "webhook_port": args.webhook,
            "webhook_rate": 10_000,
            "webhook_burst": 10_000,
            "task_queue": QUEUE,
            "temporal_address": "embedded",
            "temporal_port": args.temporal,
            "temporal_ui_port": args.page,
            "temporal_db": args.db,
        }
    )


async def serve(args) -> None:
    """Run the webhook until a signal."""
    found = settings(args)
    async with run_webhook(found, await connect(found), Process()):
        await _signalled()


async def work(args) -> None:
    """Run a worker that only notifies, until a signal."""
    found = settings(args)
    client = await connect(found, lazy=False)
    notified = enriched(AlertHandlingMode.NOTIFY)
    activities = ScriptedAlertActivities(enrich=notified, distribute=alert_storm.distributing(client, QUEUE))
    async with alert_worker(client, activities, max_cached_workflows=300):
        await _signalled()


async def _signalled() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


@contextlib.contextmanager
def running(role, args):
    options = [f"--{name}={getattr(args, name)}" for name in ("webhook", "temporal", "page", "db")]
    process = subprocess.Popen([sys.executable, __file__, role, *options])
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


async def reachable(port: int) -> None:
    """Return when the webhook listens; a busy machine takes its time to start a process."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


@dataclass
class Storm:
    """A storm: the number of alerts, half of them repeats, in groups; its seconds; the number of its first alert."""

    alerts: int
    group: int
    seconds: float
    first: int = 0


async def storm(client: Client, url: str, this: Storm) -> list[str]:
    """One row: alerts sent, answers, alerts kept."""
    distinct = this.alerts // 2
    answers = await alert_storm.send(
        url, alert_storm.notifications(this.alerts, distinct, this.group, this.first), this.seconds
    )
    kept = await alert_storm.kept(client, distinct, this.first, within=120)
    lost = sum(not count for count in kept.values())
    p99 = answers.percentile(0.99)
    figures = [f"{answers.percentile(share) * 1000:.0f}" for share in (0.5, 0.95, 0.99, 1.0)]
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(answers.codes.items()))
    verdict = "yes" if p99 < TARGET and not lost else "NO"
    return [str(this.alerts), str(this.group), f"{this.seconds:.0f}", *figures, codes, str(lost), verdict]


async def measure(args) -> None:
    table = Table("alerts", "a group", "within s", "p50 ms", "p95", "p99", "most", "answers", "lost", "met")
    with tempfile.TemporaryDirectory() as folder:
        args.webhook, args.temporal, args.page = free_ports(3)
        args.db = str(Path(folder) / "temporal.db")
        async with EmbeddedTemporal(settings(args)):
            client = await connect(settings(args), lazy=False)
            with running("serve", args), running("work", args):
                url = f"http://127.0.0.1:{args.webhook}"
                await reachable(args.webhook)
                await storm(client, url, Storm(20, 1, 2.0))
                storms = ((1, args.seconds), (10, args.seconds), (100, args.seconds), (1, args.seconds / 4))
                for number, (group, seconds) in enumerate(storms, 1):
                    row = await storm(client, url, Storm(args.alerts, group, seconds, number * args.alerts))
                    print(*row, sep="  ", flush=True)
                    table.add_row(*row)
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", nargs="?", default="measure", choices=("measure", "serve", "work"))
    parser.add_argument("--alerts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    for name in ("--webhook", "--temporal", "--page"):
        parser.add_argument(name, type=int)
    parser.add_argument("--db")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run({"measure": measure, "serve": serve, "work": work}[args.role](args))
    sys.stdout.flush()
    os._exit(0)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)


if __name__ == "__main__":
    main()
