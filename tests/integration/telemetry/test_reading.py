"""Reading of what is stored: evidence for the diagnosis, and the commands for people."""

import asyncio
import json

import pytest
from support import otlp
from typer.testing import CliRunner

from prunella_operator import clock
from prunella_operator.cli.main import app
from prunella_operator.console.serve import make_telemetry
from prunella_operator.telemetry.source import StoredTelemetry
from prunella_operator.telemetry.store import anomalies
from prunella_operator.telemetry.store.stage import pack_json
from prunella_workflows.decisions.telemetry.judgement import Baseline
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, ServiceRef, Split, SplitKind
from prunella_workflows.model.workload import WorkloadRef

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
CART = ServiceRef(service="cart", namespace="shop", kind="Deployment", workload="cart")
STOCK = CART.model_copy(update={"service": "stock", "workload": "stock"})


@pytest.fixture
async def stored(pipe):
    """A minute of the shop in which stock fails and cart suffers from it."""
    end = int(clock.now().timestamp() * 1e9)
    pipe.send("traces", otlp.traces(40, end - 40 * otlp.SECOND, failed=("stock",)))
    pipe.send("traces", otlp.traces(1, end, seed=2, services=("late",)))
    pipe.send("logs", otlp.logs(end - 40 * otlp.SECOND, ["no item 17"], service="stock"))
    anomaly = Anomaly(
        fingerprint="4f2a00", kind=AnomalyKind.ERROR_RATE, subject=CART, since=clock.now(), requests=40, share=1.0,
        origin=STOCK, split=Split(kind=SplitKind.ALL), edges=("cart to stock: 40 of 40 calls failed",),
    )  # fmt: skip
    staged = {
        anomalies.ANOMALIES: pack_json(anomalies.dump_anomalies([anomaly])),
        anomalies.BASELINES: pack_json(anomalies.dump_baselines([Baseline(STOCK, 0.01, 9.0)], clock.now())),
    }
    batch, _ = await pipe.pump()
    async with pipe.database.connection() as connection:
        await anomalies.write(connection, staged)
    await pipe.run("dashboard", batch)
    return pipe


async def test_the_view_of_a_workload_is_its_last_minute_and_its_anomalies(stored):
    source = StoredTelemetry(stored.settings)
    stock = await asyncio.to_thread(source.read, WorkloadRef(kind="Deployment", namespace="shop", name="stock"))
    assert (stock.requests, stock.error_share, stock.error_baseline, stock.p95_baseline_ms) == (40, 1.0, 0.01, 9.0)
    assert stock.p95_ms == pytest.approx(10, rel=0.05)
    assert stock.anomalies == ()
    cart = await asyncio.to_thread(source.read, WorkloadRef(kind="Deployment", namespace="shop", name="cart"))
    assert (cart.error_baseline, [one.origin for one in cart.anomalies]) == (None, [STOCK])
    assert await asyncio.to_thread(source.read, WorkloadRef(kind="Deployment", namespace="shop", name="other")) is None


async def test_a_database_that_is_away_is_told(settings, tmp_path):
    (tmp_path / "url").write_text("postgresql://a:b@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await asyncio.to_thread(StoredTelemetry(settings).read, WorkloadRef(kind="Deployment", namespace="a", name="b"))


async def test_the_map_has_services_and_their_calls(stored):
    found = await make_telemetry(stored.settings)()
    assert [(row["name"], row["state"], row["origin"]) for row in found["services"]][:1] == [
        ("shop/cart", "Anomalous", "shop/stock")
    ]
    calls = [(row["caller"], row["callee"], row["requests"], row["errors"]) for row in found["calls"]]
    assert sorted(calls) == [("shop/cart", "shop/stock", 40, 40), ("shop/web", "shop/cart", 40, 0)]


async def test_people_see_the_worst_first_and_what_is_known_of_an_anomaly(stored):
    async def prunella(*words):
        url = f"telemetry_database_url_file={stored.settings.telemetry_database_url_file}"
        result = await asyncio.to_thread(CliRunner().invoke, app, ["telemetry", *words, "--set", url])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "1 Anomalous" in await prunella("status")
    assert json.loads(await prunella("status", "-o", "json"))["anomalies"] == 1
    top = json.loads(await prunella("top", "-o", "json"))["items"]
    assert [(row["service"], row["state"]) for row in top][:2] == [("cart", "Anomalous"), ("stock", "Healthy")]
    assert (await prunella("top", "--limit", "1")).splitlines()[1].startswith("shop/cart")
    text = await prunella("explain", "4f2a")
    for fact in ("shop/stock (stock)", "All", "cart to stock: 40 of 40 calls failed", "1 x no item #"):
        assert fact in text
    assert json.loads(await prunella("explain", "4f2a00", "-o", "json"))["anomaly"]["origin"]["service"] == "stock"
