"""Fixtures: a stage of one's own, with a worker that follows the test's script."""

import pytest
from workflow.harness import Hands, begin, handle_of, performing, stage


class Stage:
    """Plays one incident and gives its end."""

    def __init__(self, environment):
        self.environment = environment
        self.client = environment.client

    def performing(self, hands, **options):
        return performing(self.client, hands, **options)

    @property
    def handle(self):
        return handle_of(self.client)

    async def begin(self, **values):
        return await begin(self.client, **values)

    async def play(self, hands: Hands, **values):
        """The status in which an incident ends that is left alone."""
        async with self.performing(hands):
            return await (await self.begin(**values)).result()


@pytest.fixture
async def the_stage():
    async with stage() as environment:
        yield Stage(environment)
