"""The incidents that a workload has already."""

import asyncio

from prunella_operator.incidents import deduplication
from prunella_operator.incidents.deduplication import Earlier
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.workload import WorkloadRef


async def read_earlier(rest: AsyncClient, target: WorkloadRef) -> Earlier:
    """The workload's incidents: those that sources opened, and those that people opened to have it healed."""
    path = paths.incidents(target.namespace)
    selectors = ({"labelSelector": selector} for selector in deduplication.earlier_selectors(target))
    found = await asyncio.gather(*(rest.list(path, selector, into=IncidentView) for selector in selectors))
    return deduplication.merge(target, *found)
