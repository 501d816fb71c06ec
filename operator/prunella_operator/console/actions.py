"""Actions that users take on an incident, by name; the console and the command line share them."""

from collections.abc import Callable

from prunella_operator.incidents.client import IncidentReader, acknowledge, cancel, decide, suspend

Action = Callable[[IncidentReader, str, str, str], object]
"""Reader, namespace, name and reason."""

ACTIONS: dict[str, Action] = {
    "approve": lambda reader, namespace, name, reason: decide(reader, namespace, name, "Approved", reason),
    "reject": lambda reader, namespace, name, reason: decide(reader, namespace, name, "Rejected", reason),
    "ack": lambda reader, namespace, name, _: acknowledge(reader, namespace, name),
    "suspend": lambda reader, namespace, name, _: suspend(reader, namespace, name, wanted=True),
    "resume": lambda reader, namespace, name, _: suspend(reader, namespace, name, wanted=False),
    "cancel": lambda reader, namespace, name, _: cancel(reader, namespace, name),
}
