"""Windows of made-up services, without chance: bad requests are spread evenly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prunella_workflows.decisions.telemetry.judgement import judge
from prunella_workflows.decisions.telemetry.windows import EdgeCounts, ServiceCounts, Window
from prunella_workflows.model.telemetry import ServiceRef
from prunella_workflows.model.telemetry_policy import DEFAULTS

START = datetime(2026, 1, 5, tzinfo=UTC)
FAST = {20: 10, 21: 30, 22: 30, 23: 20, 24: 8, 30: 2}
"""A hundred durations around 7 ms; the 95th percentile is in bucket 24."""


def a_ref(name, namespace="shop"):
    return ServiceRef(service=name, namespace=namespace, kind="Deployment", workload=name)


def slower(durations, factor):
    """Durations that are longer by 2^(1/8) to the power of `factor` buckets."""
    return {bucket + factor: count for bucket, count in durations.items()}


def scaled(requests):
    return {bucket: count * requests // 100 for bucket, count in FAST.items()}


class Stream:
    """Judges window after window, and keeps what was told."""

    def __init__(self, policy=DEFAULTS):
        self.policy, self.states, self.time = policy, {}, START
        self.opened, self.changed, self.ended, self.learnt = [], [], [], []
        self.last = None
        self.carry = 0.0

    def errors(self, requests, share):
        """Whole errors whose mean is that share."""
        self.carry += requests * share
        whole = int(self.carry)
        self.carry -= whole
        return whole

    def judge(self, *windows, steps=1):
        self.last = judge(windows, self.states, self.policy)
        self.states = self.last.states
        for name in ("opened", "changed", "ended", "learnt"):
            getattr(self, name).extend(getattr(self.last, name))
        self.time += timedelta(seconds=10 * steps)
        return self.last

    def feed(self, windows, *, requests=100, share=0.0, shift=0, name="web", **more):
        """Windows of one service."""
        for _ in range(windows):
            bad = self.errors(requests, share)
            counts = ServiceCounts(a_ref(name), requests, bad, bad, slower(scaled(requests), shift))
            self.judge(Window(self.time, (replace(counts, **more),)))
        return self

    def gap(self, windows):
        """No window at all."""
        self.time += timedelta(seconds=10 * windows)
        return self


def an_edge(caller, callee, calls, *, errors=0, gap=1.0, lost=0):
    return EdgeCounts(a_ref(caller), a_ref(callee), calls, errors, gap * calls, lost)
