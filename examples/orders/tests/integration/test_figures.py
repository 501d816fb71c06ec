"""The figures of one fault, from the database of the running system: orders that met it, and the others."""

import secrets

import pytest
from orderhealing.figures import judge

from prunella_operator import clock
from prunella_orders.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def test_orders_that_met_the_fault_are_apart_from_the_others(shop, stack):
    settings = Settings.model_validate(
        {
            "database_url": stack.database_url,
            "payments_url": stack.payments.url,
            "carrier_url": stack.carrier.url,
        }
    )
    run, times = f"fault-{secrets.token_hex(2)}", []
    for number in range(3):
        times.append(clock.now())
        status, answer = await shop.order(f"{run}-{number}")
        assert status == 202
        await shop.ended(answer["id"])
    found = await judge(settings, run, began=times[1], over=times[2])
    assert (found.in_flight, found.ended, found.errors) == (1, 3, ())
    assert found.longest > 0
    assert found.p99 > 0
