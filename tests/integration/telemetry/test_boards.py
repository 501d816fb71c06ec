"""The dashboards on the telemetry database: every query is run on what the pipeline has stored of a shop."""

import asyncio
import json

import pytest
from boards.write import FOLDER
from pictures import sql
from pictures.answers import Prometheus
from pictures.page import picture
from pictures.series import Window
from support import otlp
from support.boards import rows_wanted

from prunella_operator import clock
from prunella_operator.telemetry.store import anomalies
from prunella_operator.telemetry.store.database import read_url
from prunella_operator.telemetry.store.stage import pack_json
from prunella_workflows.decisions.telemetry.judgement import Baseline
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, ServiceRef

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("telemetry-*.json"))}
EACH = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
CART = ServiceRef(service="cart", namespace="shop", kind="Deployment", workload="cart")
HOSTILE = "x'; DROP TABLE telemetry_now; --"
CHOSEN = {"namespace": "shop", "service": "cart"}


@pytest.fixture
async def shop(pipe):
    """A minute in which stock fails and cart suffers from it, beside a service with a hostile name."""
    past = int(clock.now().timestamp() * 1e9) - 40 * otlp.SECOND
    pipe.send("traces", otlp.traces(40, past, failed=("stock",)))
    pipe.send("traces", otlp.traces(5, past, seed=2, services=(HOSTILE,)))
    pipe.send("traces", otlp.traces(1, past + 40 * otlp.SECOND, seed=3, services=("late",)))
    pipe.send("logs", otlp.logs(past, ["no item 17"]))
    pipe.send("metrics", otlp.metrics(past))
    anomaly = Anomaly(fingerprint="4f", kind=AnomalyKind.ERROR_RATE, subject=CART, since=clock.now(), share=1.0)
    staged = {
        anomalies.ANOMALIES: pack_json(anomalies.dump_anomalies([anomaly])),
        anomalies.BASELINES: pack_json(anomalies.dump_baselines([Baseline(CART, 0.01, 9.0)], clock.now())),
    }
    batch, _ = await pipe.pump()
    async with pipe.database.connection() as connection:
        await anomalies.write(connection, staged)
    await pipe.run("dashboard", batch)
    return pipe


def window():
    end = int(clock.now().timestamp()) + 1
    return Window(end - 600, end)


@EACH
async def test_every_query_returns_rows(shop, board):
    found = {query: await shop.ask(sql.filled(query, window(), CHOSEN)) for query in rows_wanted(board)}
    assert found
    assert [query for query, rows in found.items() if not rows] == []


@EACH
async def test_hostile_names_are_names(shop, board):
    for query in rows_wanted(board):
        await shop.ask(sql.filled(query, window(), {"namespace": "shop", "service": HOSTILE}))
    requests = "SELECT sum(n) FROM telemetry_red WHERE service = ${service:sqlstring}"
    assert await shop.ask(sql.filled(requests, window(), {"service": HOSTILE})) == [(5,)]
    assert await shop.ask("SELECT count(*) > 0 FROM telemetry_now") == [(True,)]


async def test_the_services_are_drawn_the_worst_first(shop):
    source = Prometheus("http://127.0.0.1:1", read_url(shop.settings))  # which is not asked
    text = await asyncio.to_thread(picture, BOARDS["telemetry-services"], source, window(), CHOSEN)
    assert text.index("shop/cart") < text.index("shop/web")
    assert "Anomalous" in text
    assert "shop/x'; DROP TABLE telemetry_now; --" in text
