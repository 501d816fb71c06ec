"""Simulated call graphs, with a fault at one service or on one edge, judged as the pipeline judges them."""

import math
import random  # noqa: TID251 - a simulation, with a seed
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from telemetry_worlds import normal_share, poisson

from prunella_workflows.decisions.telemetry.judgement import judge
from prunella_workflows.decisions.telemetry.windows import EdgeCounts, ServiceCounts, Window
from prunella_workflows.model.telemetry import AnomalyKind, ServiceRef

FAULTS = (
    "errors",
    "latency",
    "away",
    "away, no names",
    "no spans of its own",
    "network of a service",
    "network of an edge",
    "code before a call",
)
LEARNING, FAULTY = 100, 9  # windows
START = datetime(2026, 1, 5, tzinfo=UTC)
SHAPE = [(bucket, normal_share(bucket, bucket + 1, 0, 5)) for bucket in range(-16, 17)]  # of durations, around the mean


@dataclass(frozen=True)
class Case:
    """The anomalies of one fault after 90 s, by what they say of their origin."""

    fault: str
    anomalies: int
    right: int
    unknown: int
    wrong: int


@dataclass
class Fault:
    kind: str = ""
    service: int = -1
    edge: tuple[int, int] = (-1, -1)
    size: float = 0.0

    @property
    def ends(self):
        return self.edge if self.kind == "network of an edge" else (self.service,)


class World:
    """Services in layers, with calls downwards, a few back up, and some callers that have a fallback."""

    def __init__(self, seed):
        self.chance = chance = random.Random(f"graph {seed}")
        self.count = chance.randint(12, 40)
        layers = [0, *sorted(chance.randint(1, 4) for _ in range(self.count - 1))]
        self.calls = {}  # calls for each request
        self.passes = {}  # the share of failed calls that fail the caller
        for callee in range(1, self.count):
            callers = [each for each in range(self.count) if layers[each] < layers[callee]]
            for caller in chance.sample(callers, min(len(callers), chance.choice([1, 1, 2, 3]))):
                self.calls[caller, callee] = chance.uniform(0.2, 1.2)
                self.passes[caller, callee] = chance.choice([1.0, 1.0, 0.8, 0.2])
        for _ in range(2):  # loops
            one, two = chance.sample(range(1, self.count), 2)
            self.calls.setdefault((one, two), 0.02)
            self.passes.setdefault((one, two), 0.0)
        self.entry = 60 * 20 ** chance.random()
        self.own_ms = [2 * 20 ** chance.random() for _ in range(self.count)]
        self.own_errors = [1e-4 * 20 ** chance.random() for _ in range(self.count)]
        self.gap_ms = {edge: chance.uniform(0.3, 3) for edge in self.calls}
        leaves = set(range(1, self.count)) - {caller for caller, _ in self.calls}
        self.silent = set(sorted(leaves)[:2])  # without spans of their own, as databases are
        self.refs = [
            ServiceRef(service=f"s{one}", namespace="n", kind="Deployment", workload=f"s{one}")
            for one in range(self.count)
        ]

    def draw_fault(self, kind):
        """A fault at a service that is called."""
        edges = sorted(each for each, calls in self.calls.items() if calls > 0.1 and each[1] not in self.silent)
        edge = self.chance.choice(edges)
        services = self.silent if kind == "no spans of its own" else {callee for _, callee in edges}
        service = self.chance.choice(sorted(services) or [1])
        return Fault(kind, service, edge, self.chance.choice([0.3, 0.6, 1.0]))

    def window(self, start, fault):
        """Expected values by a few rounds over the graph, then counts drawn from them."""
        own = list(self.own_errors)
        ms = list(self.own_ms)
        calls = dict(self.calls)
        gap = dict(self.gap_ms)
        lost = dict.fromkeys(calls, 0.0)
        self.apply(fault, own, ms, calls, gap, lost)
        requests, failing, duration = [0.0] * self.count, list(own), list(ms)
        for _ in range(8):
            requests = [self.entry * (one == 0) for one in range(self.count)]
            for _ in range(6):
                arriving = [self.entry * (one == 0) for one in range(self.count)]
                for (caller, callee), rate in calls.items():
                    arriving[callee] += requests[caller] * rate * (1 - lost[caller, callee])
                requests = arriving
            good = [1 - share for share in own]
            total = list(ms)
            for (caller, callee), rate in calls.items():
                fails = 1 - (1 - lost[caller, callee]) * (1 - failing[callee])
                good[caller] *= 1 - min(1, rate) * fails * self.passes[caller, callee]
                total[caller] += rate * (
                    gap[caller, callee] + duration[callee] * (1 - lost[caller, callee]) + 100 * lost[caller, callee]
                )
            failing, duration = [1 - each for each in good], total
        return self.counts(start, fault, requests, failing, duration, own, calls, gap, lost)

    def apply(self, fault, own, ms, calls, gap, lost):  # noqa: PLR0917 - the world's state
        one = fault.service
        match fault.kind:
            case "errors" | "no spans of its own":
                own[one] += fault.size * 0.9
            case "latency":
                ms[one] += 60 + 10 * fault.size * ms[one]
            case "away" | "away, no names":
                lost.update({edge: 1.0 for edge in calls if edge[1] == one})
            case "network of a service":
                gap.update({edge: gap[edge] + 30 + 60 * fault.size for edge in calls if one in edge})
            case "network of an edge":
                lost[fault.edge] = fault.size
            case "code before a call":
                own[one] += fault.size * 0.9
                calls.update({edge: rate * (1 - fault.size * 0.9) for edge, rate in calls.items() if edge[0] == one})

    def counts(self, start, fault, requests, failing, duration, own, calls, gap, lost):  # noqa: PLR0917 - the same
        drawn = [poisson(self.chance, each) for each in requests]
        owned = Counter({one: poisson(self.chance, drawn[one] * own[one]) for one in range(self.count)})
        edges = []
        for (caller, callee), rate in calls.items():
            made = poisson(self.chance, drawn[caller] * rate)
            away = poisson(self.chance, made * lost[caller, callee])
            failed = min(made, away + poisson(self.chance, made * failing[callee] * (1 - lost[caller, callee])))
            owned[caller] += min(made, away)
            waited = gap[caller, callee] * max(0, made - away) * math.exp(self.chance.gauss(0, 0.1))
            if callee in self.silent:
                owned[caller] += failed - min(made, away)
                waited, away = 0.0, made
            if not (fault.kind == "away, no names" and callee == fault.service):
                edges.append(EdgeCounts(self.refs[caller], self.refs[callee], made, failed, waited, min(made, away)))
        services = [
            ServiceCounts(
                self.refs[one],
                drawn[one],
                min(drawn[one], poisson(self.chance, drawn[one] * failing[one])),
                owned[one],
                self.durations(drawn[one], duration[one]),
            )
            for one in range(self.count)
            if one not in self.silent
        ]
        return Window(
            start, tuple(each for each in services if each.requests), tuple(each for each in edges if each.calls)
        )

    def durations(self, requests, mean):
        middle = round(8 * math.log2(mean))
        drawn = {middle + bucket: poisson(self.chance, requests * share) for bucket, share in SHAPE}
        return {bucket: count for bucket, count in drawn.items() if count}


def judge_graph(seed):
    """Learn a graph once, then judge two faults of each kind from there."""
    world = World(seed)
    time = [START + timedelta(seconds=10 * number) for number in range(LEARNING + FAULTY)]
    healthy = judge([world.window(start, Fault()) for start in time[:LEARNING]], {}).states
    cases = []
    for kind in FAULTS * 2:
        fault = world.draw_fault(kind)
        judgement = judge([world.window(start, fault) for start in time[LEARNING:]], healthy)
        cases.append(score(world, fault, judgement.ongoing))
    return cases


def score(world, fault, anomalies):
    told = [each for each in anomalies if each.kind in (AnomalyKind.ERROR_RATE, AnomalyKind.LATENCY)]
    truth = {str(world.refs[one]) for one in fault.ends}
    right = sum(each.origin is not None and str(each.origin) in truth for each in told)
    unknown = sum(each.origin is None for each in told)
    return Case(fault.kind, len(told), right, unknown, len(told) - right - unknown)
