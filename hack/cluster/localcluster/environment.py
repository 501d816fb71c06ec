"""The environment of processes of Prunella that a demo or a test starts."""

import os


def caller_environment() -> dict[str, str]:
    """The caller's environment without settings of Prunella and of Temporal's clients, those of a file included."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PRUNELLA_", "TEMPORAL_"))}
    return {**kept, "TEMPORAL_CONFIG_FILE": os.devnull}
