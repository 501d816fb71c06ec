"""Images that cannot be pulled, pods that find no node: by the release's wish, or because the place has changed."""

from collections.abc import Callable

from support.api import until
from support.cases import builders as shop
from support.cases.correlation import called, known
from support.cases.environment import CLOSED_PORT, NO_SUCH_IMAGE, label_node, neighbour, seated, seats
from support.cases.run import CLOSED, CaseRun

_AWAY = shop.server(image=f"{CLOSED_PORT}/shop:2")
_NO_SUCH_HOST = shop.server(image="registry.shop.example/shop:2")  # a name that cannot be looked up


def over(run: CaseRun) -> None:
    """Wait until every incident that the case expects is over."""

    def all_over() -> bool:
        found = [(incident.get("status") or {}).get("phase") in CLOSED for incident in run.incidents()]
        return len(found) == run.case.incidents and all(found)

    until(all_over, 300, "all incidents are over", every=0.5)


def two(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """The shop and another workload, with the same edits."""

    def act(run: CaseRun) -> None:
        shop.applied(*edits)(run)
        run.api.apply(shop.app(run, called("cart", *edits))[1])

    return act


def both_known(run: CaseRun) -> None:
    two()(run)
    known(run, "cart")


def _seated(run: CaseRun) -> None:
    seats(run, 2)
    shop.applied(seated(run))(run)


def _seat_taken(run: CaseRun) -> None:
    """The seat that the rollout needs is a neighbour's now; the release needs no more than the one before."""
    neighbour(run, seated(run))
    shop.applied(seated(run), shop.release(2), shop.deadline())(run)


def _more_seats(run: CaseRun) -> None:
    shop.applied(seated(run, 3), shop.release(2), shop.deadline())(run)


def _on_labelled_node(run: CaseRun) -> None:
    shop.applied(label_node(run, "yes"))(run)


def _label_gone(run: CaseRun) -> None:
    """No node has the label any more that both releases ask for."""
    shop.applied(label_node(run, None), shop.release(2), shop.deadline())(run)


_NO_IMAGE = ("ImageUnavailable", "image_unavailable")
_NO_NODE = ("Unschedulable", "unschedulable")


CASES = (
    shop.escalated("registry-away", shop.applied(), shop.applied(shop.release(2), _AWAY), *_NO_IMAGE),
    shop.escalated(
        "registry-away-for-two",
        both_known,
        two(shop.release(2), _AWAY),
        *_NO_IMAGE,
        then=over,
        incidents=2,
    ),
    shop.rolled_back("no-such-registry", shop.applied(), shop.applied(shop.release(2), _NO_SUCH_HOST)),
    shop.rolled_back("no-such-tag", shop.applied(), shop.applied(shop.release(2), shop.server(image=NO_SUCH_IMAGE))),
    shop.escalated("seat-taken", _seated, _seat_taken, *_NO_NODE),
    shop.rolled_back("more-seats", _seated, _more_seats),
    shop.escalated("label-gone", _on_labelled_node, _label_gone, *_NO_NODE),
)
