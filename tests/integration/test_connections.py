"""Connections to the API server are used again, until a file that they depend on is rotated."""

import shutil
from dataclasses import replace

import pytest

from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.errors import Unavailable

pytestmark = pytest.mark.integration

PATH = "/api/v1/namespaces/default"


def pooled(rest):
    return sum(map(len, rest._session.connector._conns.values()))


async def test_calls_one_after_the_other_share_one_connection(cluster):
    async with AsyncClient(load_access(str(cluster.kubeconfig), cluster.context)) as rest:
        for _ in range(20):
            await rest.get(PATH)
        assert pooled(rest) == 1


async def test_a_rotated_certificate_authority_is_used_at_the_next_call(cluster, tmp_path):
    access = load_access(str(cluster.kubeconfig), cluster.context)
    ours = tmp_path / "ca.crt"
    shutil.copy(access.ca_path, ours)
    access = replace(access, ca_path=str(ours))
    async with AsyncClient(access) as rest:
        first = access.ssl_context()
        await rest.get(PATH)
        ours.write_text(ours.read_text() + "\n")
        assert access.ssl_context() is not first
        await rest.get(PATH)
        ours.unlink()
        with pytest.raises(Unavailable, match="TLS files"):
            await rest.get(PATH)
