"""A metrics source with scripted answers."""

from dataclasses import dataclass, field

from prunella_operator import clock
from prunella_workflows.model.measurement import NoData, Reading, Why

NOTHING = NoData(why=Why.EMPTY, message="the query returns no series")


@dataclass
class FakeSource:
    """`answers` by a part of the query; `found` are the series of every other kind of question."""

    answers: dict = field(default_factory=dict)
    found: object = NOTHING
    grown: object = NOTHING
    queries: list = field(default_factory=list)

    def value(self, query):
        self.queries.append(query)
        for part, answer in self.answers.items():
            if part in query:
                return answer if isinstance(answer, NoData) else Reading(value=answer, at=clock.now())
        return NOTHING

    def vector(self, query):
        self.queries.append(query)
        return self.found

    def series(self, query, start, end, step=None):
        self.queries.append(query)
        return self.grown
