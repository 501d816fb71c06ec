"""The errors of the domain. None of them goes away by itself, so none is retried."""

from collections.abc import Sequence

from prunella_workflows.model.errors import Permanent


class InvalidOrder(Permanent):
    """The price of the order has changed."""


class UnknownArticle(Permanent):
    """The stock has no such articles."""

    def __init__(self, articles: Sequence[str]) -> None:
        super().__init__(f"unknown articles: {', '.join(articles)}")
        self.articles = articles


class OutOfStock(Permanent):
    """There are not enough pieces of an article."""


class AlreadyReversed(Permanent):
    """The effect was reversed before it happened: a late attempt must not repeat it."""


class ServiceRefused(Permanent):
    """A service finds the request invalid."""
