"""Find mentions of a Service in a text: by address, never by a word that merely looks like its name."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prunella_operator.kubernetes.api import Object

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_SHAPES = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        rf"(?<![\w+.-])[a-z][a-z0-9+.-]{{0,30}}://(?:[^\s/@\"']*@)?({_HOST})(?::(\d{{1,5}}))?",  # a URL
        rf"(?<![\w.@/:-])({_HOST}):(\d{{1,5}})(?![\w.])",  # host:port
        rf"\bhost=['\"]?({_HOST})['\"]?,\s*port=(\d{{1,5}})",  # as Python's HTTP clients log it
        r"(?<![\w.-])([a-z0-9-]+\.[a-z0-9-]+\.svc(?:\.[a-z0-9-]+)*)(?::(\d{1,5}))?",  # the long name, anywhere
        r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?!\d|\.\d)(?::(\d{1,5}))?",  # an IPv4 address, anywhere
        r"\[([0-9a-f]*:[0-9a-f:]+)\](?::(\d{1,5}))?",  # an IPv6 address
    )
)


class Address(NamedTuple):
    """A host, and the port if there is one."""

    host: str
    port: int | None


class Service(NamedTuple):
    """A Service in front of pods: its names, addresses and ports."""

    name: str
    namespace: str
    addresses: frozenset[str]
    ports: frozenset[int]
    selector: Mapping[str, str]

    def is_at(self, address: Address) -> bool:
        """True if the address is one of its own. A port that it does not serve is a mistake of the client."""
        short, long = f"{self.name}.{self.namespace}", f"{self.name}.{self.namespace}.svc"
        host = address.host.lower().rstrip(".")
        ours = host in {self.name, short, long, *self.addresses} or host.startswith(f"{long}.")
        return ours and (address.port is None or address.port in self.ports)

    @property
    def variable(self) -> str:
        """The environment variable that the kubelet sets to its address."""
        return f"{self.name.upper().replace('-', '_')}_SERVICE_HOST"


def parse_service(raw: Object) -> Service | None:
    """The Service; None without a selector, or if it is headless or external: its pods are unknown."""
    spec, meta = raw.get("spec") or {}, raw["metadata"]
    addresses = frozenset(filter(None, (spec.get("clusterIP"), *(spec.get("clusterIPs") or ()))))
    selector = spec.get("selector") or {}
    if not selector or spec.get("type") == "ExternalName" or not addresses or "None" in addresses:
        return None
    ports = frozenset(port["port"] for port in spec.get("ports") or ())
    return Service(meta["name"], meta["namespace"], addresses, ports, selector)


def addresses(text: str) -> Iterator[Address]:
    """Every address in a text."""
    for shape in _SHAPES:
        for host, port in shape.findall(text):
            yield Address(host, int(port) if port else None)


def mentions(service: Service, text: str, environment: Mapping[str, str]) -> bool:
    """True if a text mentions the Service: by an address, by its variable, or by a variable that is set to either."""
    if any(service.is_at(address) for address in addresses(text)):
        return True
    names = {service.variable, *(name for name, value in environment.items() if _points_to(service, value))}
    return any(re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) for name in names)


def _points_to(service: Service, value: str) -> bool:
    whole = service.is_at(Address(value.strip(), None))
    return whole or f"$({service.variable})" in value or any(service.is_at(address) for address in addresses(value))


def read_environment(containers: Iterable[Object]) -> dict[str, str]:
    """The variables of these containers that are set in the template. They are compared and never leave the process."""
    variables = (variable for container in containers for variable in container.get("env") or ())
    return {variable["name"]: str(variable["value"]) for variable in variables if variable.get("value")}
