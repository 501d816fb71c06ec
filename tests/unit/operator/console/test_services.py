"""The console's map of services."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.incidents import incident
from unit.operator.console.conftest import HOSTILE, Readers

from prunella_operator.config.settings import Settings
from prunella_operator.console.app import Console
from prunella_operator.console.serve import make_telemetry
from prunella_operator.console.service_map import services_page
from prunella_operator.incidents.client import parse
from prunella_workflows.model.errors import Forbidden

SINCE = datetime(2026, 11, 29, 5, 31, 30, tzinfo=UTC)


def service(workload, state="Healthy", origin="", **more):
    return {
        "name": f"shop/{workload}", "namespace": "shop", "kind": "Deployment", "workload": workload, "state": state,
        "requests": 40, "error_share": 0.5, "error_baseline": 0.01, "p95_ms": 9.0, "p95_baseline_ms": None,
        "origin": origin, "since": SINCE if origin else None, **more,
    }  # fmt: skip


def call(caller, callee, errors=0):
    return {"caller": f"shop/{caller}", "callee": f"shop/{callee}", "requests": 40, "errors": errors}


SHOP = {
    "services": [
        service("stock", "Critical", "shop/stock"), service("cart", "Anomalous", "shop/stock"), service("web"),
        service(HOSTILE, "Learning"),
    ],
    "calls": [call("web", "cart"), call("cart", "stock", 40), call("stock", "web"), call(HOSTILE, "stock")],
}  # fmt: skip


def page(services=SHOP["services"], calls=SHOP["calls"], incidents=()):
    return services_page({"services": services, "calls": calls}, [parse(one) for one in incidents])


def test_callers_are_left_of_those_they_call_also_if_they_call_in_a_circle():
    boxes = {
        box.name: box for box in page([*map(service, "abcd")], [call(*pair) for pair in ("ab", "bc", "ac")])["boxes"]
    }
    assert [boxes[f"shop/{name}"].x for name in "abcd"] == [0, 240, 480, 0]
    assert len({(box.x, box.y) for box in boxes.values()}) == 4
    circle = page([*map(service, "abc")], [call(*pair) for pair in ("ab", "bc", "ca", "aa")])
    assert len(circle["boxes"]) == 3
    assert len(circle["arrows"]) == 4


def test_the_way_to_an_origin_is_marked_and_its_dependants_are_listed():
    found = page(
        incidents=[incident(target="Deployment/stock"), incident("old", phase="Healed", target="Deployment/cart")]
    )
    assert [arrow.text for arrow in found["arrows"] if arrow.blamed] == [
        "shop/cart calls shop/stock: 40 in 5 minutes, 100.0 % failed"
    ]
    rows = {row["workload"]: row for row in found["rows"]}
    assert rows["stock"]["dependants"] == ["shop/cart"]
    assert rows["stock"]["incident"].name == "checkout-1"
    assert rows["cart"]["incident"] is None


def test_of_many_services_the_first_are_drawn_and_the_origins_that_they_name():
    found = page([service("a", "Critical", "shop/s99"), *(service(f"s{number}") for number in range(100))])
    assert len(found["boxes"]) == 61
    assert found["missing"] == 40
    assert len(found["rows"]) == 101


async def read():
    return SHOP


@pytest.fixture
async def browse():
    readers = Readers(incident(target="Deployment/stock"))
    async with TestClient(
        TestServer(Console(readers, readers.incidents, lambda *_: "", telemetry=read).app())
    ) as client:
        yield client


async def test_the_page_is_well_formed_and_names_are_no_markup(browse):
    response = await browse.get("/services")
    text = await response.text()
    assert response.status == 200
    svg = ET.fromstring(text[text.index("<svg class") : text.index("</svg>") + 6])
    assert len(list(svg.iter("rect"))) == 4
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert '<a href="/services">' in await (await browse.get("/")).text()
    assert 'href="/incidents/shop/checkout-1"' in text


async def test_without_services_it_says_so():
    async def nothing():
        return {"services": [], "calls": []}

    async with TestClient(TestServer(Console(Readers(), list, lambda *_: "", telemetry=nothing).app())) as client:
        assert "No service has sent telemetry" in await (await client.get("/services")).text()


async def test_who_may_not_list_incidents_sees_no_services():
    class Narrow(Readers):
        def __call__(self, token):
            reader = super().__call__(token)
            reader.check_list = self.refuse
            return reader

        def refuse(self, namespace):
            raise Forbidden("incidents is forbidden")

    async with TestClient(TestServer(Console(Narrow(), list, lambda *_: "", telemetry=read).app())) as client:
        await client.post("/login", data={"token": "narrow"})
        for page in ("/", "/services"):
            response = await client.get(page)
            assert response.status == 403
            assert "shop/stock" not in await response.text()
    async with TestClient(TestServer(Console(Readers(), list, lambda *_: "", False, telemetry=read).app())) as client:
        assert (await client.get("/services", allow_redirects=False)).headers["Location"] == "/login?back=/services"


async def test_there_is_no_such_page_without_a_database():
    assert make_telemetry(Settings()) is None
    async with TestClient(TestServer(Console(Readers(), list, lambda *_: "").app())) as client:
        assert (await client.get("/services")).status == 404
        assert "/services" not in await (await client.get("/")).text()


async def test_a_database_that_is_away_is_told(tmp_path):
    (tmp_path / "url").write_text("postgresql://a:b@127.0.0.1:1/none")
    reads = make_telemetry(Settings(telemetry_database_url_file=str(tmp_path / "url")))
    async with TestClient(TestServer(Console(Readers(), list, lambda *_: "", telemetry=reads).app())) as client:
        assert (await client.get("/services")).status == 503
