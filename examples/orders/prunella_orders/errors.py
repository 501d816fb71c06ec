"""The errors of the domain. None of them goes away by itself, so none is retried."""

from prunella_workflows.model.errors import Permanent


class InvalidOrder(Permanent):
    """An article is unknown, or its price has changed."""


class OutOfStock(Permanent):
    """There are not enough pieces of an article."""


class AlreadyReversed(Permanent):
    """The effect was reversed before it happened: a late attempt must not repeat it."""


class ServiceRefused(Permanent):
    """A service finds the request invalid."""
