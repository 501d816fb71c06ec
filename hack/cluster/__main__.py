"""Entry point of `python hack/cluster`: the folder is a script, its code is the package beside this file."""

import signal

from localcluster.cli import main

if __name__ == "__main__":
    # SIGTERM, from a time limit of CI for instance, cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
