"""CUSUM tests: the evidence that a rate has risen, and since when.

E. S. Page, Continuous inspection schemes, Biometrika 41 (1954). With x_i the log-likelihood ratio of window i under the
raised and the normal rate, S_i = max(0, S_(i-1) + x_i). S stays near 0 while the rate is normal, and grows by the
divergence of the two rates, window by window, once it is raised; an alarm is S >= h. The last zero of S is the maximum
likelihood estimate of the time of the change. The time between false alarms grows like e^h (G. Lorden, Procedures for
reacting to a change in distribution, Ann. Math. Stat. 42, 1971).

Bernoulli: of n requests e are bad, the share is p0 or p1: x = e ln(p1 / p0) - (n - e) ln((1 - p0) / (1 - p1)).
Poisson: e records in a window, the rate is m0 or m1: x = e ln(m1 / m0) - (m1 - m0).

A test is quickest for the rise that it looks for. So two run side by side, for a small and for a large rise, and the
first to alarm counts. J. M. Lucas adds a test for large shifts likewise (Combined Shewhart-CUSUM quality control
schemes, Journal of Quality Technology 14, 1982).

Requests are no independent coin tosses: errors come in bursts. So x is divided by the variance of counts over that of
the model, as quasi-likelihood does (R. W. M. Wedderburn, Biometrika 61, 1974). It is the larger of two: the dispersion
of counts per minute, which is learnt with the rate, and the design effect 1 + (n - 1) r of requests in one window with
the correlation r (L. Kish, Survey Sampling, 1965). The latter bounds what one window can prove, however many its
requests: at r = 0.015 it counts like 67 independent ones.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Weights(NamedTuple):
    """The log-likelihood ratio of one bad event, and that of one good request or of the time of one window."""

    gain: float
    loss: float


class Counted(NamedTuple):
    """A window of a series: its start in seconds of the epoch, requests, and bad ones."""

    time: int
    total: int
    bad: int


def bernoulli(normal: float, raised: float) -> Weights:
    """The weights of a bad and of a good request, for two shares between 0 and 1."""
    return Weights(math.log(raised / normal), math.log((1 - normal) / (1 - raised)))


def poisson(normal: float, raised: float) -> Weights:
    """The weights of a record and of a window, for two rates per window."""
    return Weights(math.log(raised / normal), raised - normal)


def dispersion(cells: int, total: float, bad: float, squares: float) -> float:
    """The variance of bad requests per cell over that of independent ones, at least 1.

    `total` requests in `cells`, `bad` of them bad; `squares` is the sum over cells of bad^2 / requests. It is Pearson's
    chi-square of the cells per degree of freedom, less two of its standard deviations, so that chance alone does not
    blunt the test.
    """
    free = cells - 1
    if free < 1 or not 0 < bad < total:
        return 1.0
    share = bad / total
    chi_square = (squares - share * bad) / (share * (1 - share))
    return max(1.0, chi_square / free - 2 * math.sqrt(2 / free))


def onset(run: Sequence[Counted], normal: float) -> int:
    """The position in a run of the most likely change from the normal share to any larger one.

    The last zero of the CUSUM is the most likely change to the raised share that it tests. A worse fault is dated
    better by the likelihood ratio with the share seen since: n D(share, normal), D the Kullback-Leibler divergence.
    """
    best, place, total, bad = 0.0, 0, 0, 0
    for position in range(len(run) - 1, -1, -1):
        total += run[position].total
        bad += run[position].bad
        evidence = total * _divergence(bad / total, normal) if bad > normal * total else 0.0
        if evidence > best:
            best, place = evidence, position
    return place


def _divergence(share: float, normal: float) -> float:
    same = (1 - share) * math.log((1 - share) / (1 - normal)) if share < 1 else 0.0
    return share * math.log(share / normal) + same
