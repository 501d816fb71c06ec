"""A denial is believed only from a server that is ready."""

import pytest

from prunella_operator import clock
from prunella_operator.kubernetes.startup_denials import DenialFilter
from prunella_workflows.model.errors import Unavailable


@pytest.mark.parametrize("code", [200, 404])
def test_it_is_believed_from_an_api_server_that_is_ready(code):
    DenialFilter().check(code)


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_it_is_not_believed_from_one_that_is_not(code):
    with pytest.raises(Unavailable):
        DenialFilter().check(code)


def test_where_readiness_may_never_be_read_it_is_believed_after_a_while(monkeypatch):
    denials = DenialFilter()
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + 61)
    denials.check(403)
    denials.check(200)
    with pytest.raises(Unavailable):  # it could be read before: so the authorizer is starting
        denials.check(403)
