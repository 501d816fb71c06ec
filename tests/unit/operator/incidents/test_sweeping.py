"""The loop of sweeps: no error ends it but a bug."""

import asyncio

import pytest

from prunella_operator.incidents.sweeping import sweep_regularly
from prunella_workflows.model.errors import Forbidden, Unavailable


async def test_an_error_ends_one_sweep_only(capsys):
    errors = [Unavailable("away"), Forbidden("no"), None, ZeroDivisionError()]

    async def sweep():
        if error := errors.pop(0):
            raise error

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(sweep_regularly(sweep, 0.001, "prunella.test", later="later", failed="failed"), 5)
    assert errors == []
    said = capsys.readouterr().out
    assert "later" in said
    assert "failed" in said
