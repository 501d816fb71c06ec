"""The load generator on the whole system: the command of a person, its table and its exit code."""

import asyncio
import os
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def load(stack, *options):
    """The exit code and the output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prunella_orders", "load", "--url", stack.api.url, *options),
        env={**os.environ, **stack.api.environment(), **stack.variables, "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_all_orders_end_and_the_books_are_right(shop, stack):
    code, output = await load(stack, "--rate", "3", "--seconds", "9")
    assert code == 0, output
    assert "The books are right" in output
    lines = [line.replace("│", " ").split() for line in output.splitlines()]
    assert ["accepted", "27"] in lines
    assert ["ended", "27"] in lines


async def test_an_api_that_is_away_for_seconds_loses_no_order(shop, stack):
    running = asyncio.create_task(load(stack, "--rate", "3", "--seconds", "6"))
    await asyncio.sleep(4)
    stack.api.kill()
    await asyncio.sleep(2)
    await asyncio.to_thread(stack.api.start)
    code, output = await running
    assert code == 0, output
    assert ["accepted", "18"] in [line.replace("│", " ").split() for line in output.splitlines()]


async def test_wrong_books_are_an_exit_code(shop, stack):
    order_id = await shop.accepted()
    await shop.ended(order_id)
    assert await shop.audit() == []
    await shop.sql("UPDATE orders.orders SET status = 'cancelled' WHERE id = $1", order_id)
    try:
        code, output = await load(stack, "--rate", "1", "--seconds", "1")
    finally:
        await shop.sql("UPDATE orders.orders SET status = 'shipped' WHERE id = $1", order_id)
    assert code == 1
    assert f"order {order_id} (cancelled): 1 payments of 500 instead of" in output
