"""The servers beside the cluster that the orders need: each answers at the manifests' port of another address."""

import smtplib

import asyncpg
import pytest
from orderhealing.outside import MAIL_PORT, NAME, TEMPORAL_PORT, Outside
from support.programs import postgresql
from temporalio.client import Client

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ADDRESS = "127.0.0.9"
"""As unlike the servers' own as that of this machine in the cluster's network."""


async def test_pods_reach_all_three(tmp_path):
    postgresql()
    with Outside(ADDRESS, tmp_path) as outside:
        connection = await asyncpg.connect(outside.url_for_pods.replace(NAME, ADDRESS))
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        client = await Client.connect(f"{ADDRESS}:{TEMPORAL_PORT}")
        assert await client.service_client.check_health()
        with smtplib.SMTP(ADDRESS, MAIL_PORT, timeout=30) as mail:
            assert mail.noop()[0] == 250
