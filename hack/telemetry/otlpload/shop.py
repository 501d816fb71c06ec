"""The services of the shop: their operations, whom these call, and their pods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random  # noqa: TID251 - seeded, and no part of the brain
from uuid import UUID

NODES = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Call:
    """A call of another service's operation, made with a chance."""

    service: str
    operation: str
    chance: float = 1.0


@dataclass(frozen=True)
class Operation:
    """An operation with its own median time in ms, without its calls, and the calls, one after the other."""

    name: str
    own_ms: float
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Pod:
    """A pod as resource attributes describe it."""

    name: str
    uid: str
    node: str
    template: str


@dataclass(frozen=True)
class Service:
    """A Deployment of the same name."""

    name: str
    namespace: str
    operations: Mapping[str, Operation]
    pods: tuple[Pod, ...]

    @property
    def template(self) -> str:
        """The template hash of the newest pods."""
        return self.pods[-1].template


_PRODUCTS = Call("catalog", "ListProducts")
_PRODUCT = Call("catalog", "GetProduct")
_CART = Call("cart", "GetCart")
_EMPTY_CART = Call("cart", "EmptyCart")
_ADS = Call("ads", "GetAds", 0.5)
_QUOTE, _SHIP = Call("shipping", "GetQuote"), Call("shipping", "Ship")
_CHARGE = Call("payment", "Charge")
OPERATIONS: Mapping[str, Sequence[Operation]] = {
    "frontend": (
        Operation(
            "GET /", 8, (_PRODUCTS, Call("recommendation", "ListRecommendations", 0.8), Call("ads", "GetAds", 0.5))
        ),
        Operation("GET /product/{id}", 6, (_PRODUCT, Call("recommendation", "ListRecommendations", 0.5), _CART)),
        Operation("POST /cart", 5, (_PRODUCT, Call("cart", "AddItem"))),
        Operation("POST /checkout", 10, (Call("checkout", "PlaceOrder"),)),
    ),
    "catalog": (Operation("ListProducts", 12), Operation("GetProduct", 4)),
    "recommendation": (Operation("ListRecommendations", 9, (_PRODUCTS,)),),
    "ads": (Operation("GetAds", 3),),
    "cart": (Operation("GetCart", 2), Operation("AddItem", 3), Operation("EmptyCart", 2)),
    "checkout": (Operation("PlaceOrder", 7, (_CART, _PRODUCT, _QUOTE, _CHARGE, _SHIP, _EMPTY_CART)),),
    "payment": (Operation("Charge", 25),),
    "shipping": (Operation("GetQuote", 5), Operation("Ship", 8)),
}
ENTRY = "frontend"
REQUESTS: Mapping[str, int] = {"GET /": 40, "GET /product/{id}": 30, "POST /cart": 15, "POST /checkout": 15}
"""The operations that people ask for, in percent."""


@dataclass
class Shop:
    """All services; a second shop in another namespace has names of its own by a prefix."""

    namespace: str = "shop"
    prefix: str = ""
    replicas: int = 3
    seed: int = 1
    services: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = Random(f"{self.namespace} {self.seed}")
        for name, operations in OPERATIONS.items():
            by_name = {operation.name: operation for operation in operations}
            service = Service(self.prefix + name, self.namespace, by_name, ())
            self.services[name] = replace(service, pods=self._pods(service.name, self.replicas))

    def roll_out(self, name: str) -> tuple[Pod, ...]:
        """Replace half of a service's pods by those of a new template, as in the middle of a rollout; return these."""
        service = self.services[name]
        stay = service.pods[: len(service.pods) // 2]
        new = self._pods(service.name, len(service.pods) - len(stay))
        self.services[name] = replace(service, pods=stay + new)
        return new

    def place(self, name: str, pods: Sequence[Pod]) -> None:
        """Give a service pods that exist."""
        self.services[name] = replace(self.services[name], pods=tuple(pods))

    def _pods(self, deployment: str, count: int) -> tuple[Pod, ...]:
        template = f"{self._random.getrandbits(40):010x}"
        return tuple(
            Pod(
                f"{deployment}-{template}-{self._random.getrandbits(20):05x}",
                str(UUID(int=self._random.getrandbits(128), version=4)),
                NODES[number % len(NODES)],
                template,
            )
            for number in range(count)
        )
