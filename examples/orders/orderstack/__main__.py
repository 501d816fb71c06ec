"""`make run`: the order system on this machine, until Ctrl-C."""

import signal
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[1:1] = [str(REPOSITORY / "hack" / "cluster"), str(REPOSITORY / "hack" / "telemetry")]

from localcluster.console import ClusterError  # noqa: E402 - its package is in a folder above

from orderstack.stack import Stack  # noqa: E402 - it needs the packages of those folders

_UP = """The API: {url}. Workflows: http://127.0.0.1:{page}. Mails: {logs}/mailbox.log.
Try in another terminal; Ctrl-C ends all of it:

curl -i {url}/orders -H 'Idempotency-Key: first' -H 'Content-Type: application/json' -d '{{
  "customer": "ada", "email": "ada@example.com", "address": "1 Main Street", "card": "visa",
  "lines": [{{"article": "apple", "quantity": 3}}]}}'"""


def main() -> int:
    """Start all parts, and say how to use them, until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores SIGINT for what it starts in the background
        signal.signal(number, signal.default_int_handler)
    logs = Path(tempfile.mkdtemp(prefix="orders-"))
    print(f"starting; logs are in {logs}", flush=True)
    try:
        with Stack(logs) as stack:
            print(_UP.format(url=stack.api.url, page=stack.temporal_page, logs=logs), flush=True)
            signal.pause()
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("all parts have ended")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
