"""Simulated services for the measurements of detection: a steady world and a rough one. Seeded; needs nothing.

Thresholds were chosen on the steady world: noise of independent requests, a daily wave, short bursts of errors, slow
minutes after deploys and restarts. The rough one is for validation and drawn otherwise: numbers of requests spread more
than Poisson's, error shares and durations wander for minutes, bursts have heavy tails, and hit groups of services at
once.
"""

import math
import random  # noqa: TID251 - a simulation, with a seed
from functools import cache

DAY = 8640  # windows of 10 s
POOL = 16  # histograms for each rate and shift, drawn from again and again, ...
DRAWN = 4000  # ... and requests of a pool, so that those of low rates have the tail that they should
STEP = 1.4  # between the rates of two pools
GROUP = 10  # services that are hit by the same bursts in the rough world


def poisson(chance, mean):
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def normal_share(low, high, middle, deviation):
    """The part of a normal distribution between two values."""
    return (math.erf((high - middle) / deviation / 2**0.5) - math.erf((low - middle) / deviation / 2**0.5)) / 2


class Steady:
    """One service. `window` draws its requests, errors and durations."""

    bursts = (360, 720, 2160)  # windows between two, on average

    def __init__(self, seed):
        self.chance = chance = random.Random(f"{type(self).__name__} {seed}")
        self.rate = 5 * 400 ** chance.random()  # requests in 10 s: 5 to 2,000
        self.wave, self.phase = chance.uniform(0.3, 0.8), chance.random() * DAY
        self.errors = 2e-4 * 50 ** chance.random()  # 0.02 % to 1 %
        self.slower_by_day = 0.2 * chance.random()
        middle = 8 * math.log2(5 * 40 ** chance.random())  # 5 to 200 ms
        deviation = 8 * chance.uniform(0.3, 1.0) / math.log(2)
        span = range(int(middle - 4 * deviation), int(middle + 4 * deviation) + 1)
        self.shape = [(bucket, normal_share(bucket, bucket + 1, middle, deviation)) for bucket in span]
        self.every = chance.choice(self.bursts)
        self.pools = {}
        self.burst = self.slow_burst = (0, 0.0)  # windows left, size
        self.deploys = sorted(chance.random() * DAY for _ in range(2))

    def window(self, number, more_errors=0.0, slower=1.0):
        """Requests, errors and durations of a window; a fault adds to the share of errors or multiplies durations."""
        wave = math.sin(2 * math.pi * (number + self.phase) / DAY)
        share, shift, rate = self.noise(self.errors, 0.5 * self.slower_by_day * wave)
        self.begin_bursts(number)
        share += self.burst[1] + more_errors
        shift += self.slow_burst[1] + math.log(slower)
        requests, durations = self.durations(rate * self.rate * (1 + self.wave * wave), shift)
        errors = min(requests, poisson(self.chance, requests * share)) if share < 0.1 else self.many(requests, share)
        return requests, errors, durations

    def noise(self, share, shift):
        """The share of errors, the shift of durations (a logarithm), and a factor of the rate."""
        return share, shift, 1.0

    def begin_bursts(self, number):
        self.burst, self.slow_burst = left(self.burst), left(self.slow_burst)
        if not self.burst[0] and self.chance.random() * self.every < 1:
            self.burst = self.draw_burst()
        if not self.slow_burst[0] and self.chance.random() * self.every * 3 < 1:
            self.slow_burst = self.draw_slow_burst()
        if any(0 <= number % DAY - deploy < 1 for deploy in self.deploys):  # new pods: cold caches, a few errors
            self.burst, self.slow_burst = (2, 0.005), (4, 0.35)

    def draw_burst(self):
        return 1 + int(3 * self.chance.random()), min(0.03, self.errors * self.chance.uniform(3, 20))

    def draw_slow_burst(self):
        return 1 + int(3 * self.chance.random()), 0.4 * self.chance.random()

    def many(self, requests, share):
        deviation = math.sqrt(requests * min(share, 1) * max(0, 1 - share))
        return max(0, min(requests, round(self.chance.gauss(requests * min(share, 1), deviation))))

    def durations(self, rate, shift):
        level = round(math.log(max(rate, 1)) / math.log(STEP))
        buckets = round(8 * shift / math.log(2) + self.chance.random() - 0.5)
        pool = self.pools.get((level, buckets))
        if pool is None:
            size = max(POOL, int(DRAWN / STEP**level))
            pool = self.pools[level, buckets] = [self.draw(STEP**level, buckets) for _ in range(size)]
        return pool[int(self.chance.random() * len(pool))]

    def draw(self, rate, shift):
        drawn = {bucket + shift: poisson(self.chance, rate * share) for bucket, share in self.shape}
        durations = {bucket: count for bucket, count in drawn.items() if count}
        return sum(durations.values()), durations


def left(burst):
    return (burst[0] - 1, burst[1]) if burst[0] > 1 else (0, 0.0)


@cache
def shared_bursts(group):
    """Bursts that hit a group of services at once: windows of a month, each with its length and share."""
    chance = random.Random(f"group {group}")
    times = [int(chance.random() * 30 * DAY) for _ in range(120)]
    return {time: (min(6, int(chance.paretovariate(1.2))), chance.uniform(0.002, 0.02)) for time in times}


class Rough(Steady):
    """A service that is never calm."""

    bursts = (360, 1080, 2160)

    def __init__(self, seed):
        super().__init__(seed)
        self.group = seed // GROUP
        self.wander = self.slow_wander = 0.0

    def noise(self, share, shift):
        """Both wander: first-order autoregression with a memory of five minutes."""
        self.wander = 0.97 * self.wander + 0.243 * self.chance.gauss(0, 0.5)
        self.slow_wander = 0.97 * self.slow_wander + 0.243 * self.chance.gauss(0, 0.08)
        return share * math.exp(self.wander), shift + self.slow_wander, math.exp(self.chance.gauss(0, 0.3))

    def begin_bursts(self, number):
        super().begin_bursts(number)
        self.burst = shared_bursts(self.group).get(number % (30 * DAY), self.burst)

    def draw_burst(self):
        length = min(6, int(self.chance.paretovariate(1.2)))
        return length, min(0.05, 3 * self.errors * self.chance.paretovariate(0.8))

    def draw_slow_burst(self):
        return min(6, int(self.chance.paretovariate(1.2))), min(0.7, 0.15 * self.chance.paretovariate(1.0))
