"""A lower bound of a success rate that holds however often it is looked at: a confidence sequence.

A usual interval (Clopper-Pearson, Wilson) is right with its confidence at one look. A record is looked at after each
trial, and a bad action has a lucky streak some day. So the bound is that of Robbins' mixture of likelihood ratios, with
a uniform mixture over all higher rates. While the true rate is at most `rate`, whatever it does below, the mixture is a
supermartingale that begins at 1; by Ville's inequality it ever reaches 1 / (1 - confidence) with a probability of at
most 1 - confidence.

Sources: J. Ville, Etude critique de la notion de collectif, 1939; D. A. Darling and H. Robbins, Confidence sequences
for mean, variance, and median, PNAS 58, 1967; S. R. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, Time-uniform,
nonparametric, nonasymptotic confidence sequences, Annals of Statistics 49, 2021.
"""

from functools import lru_cache
from math import exp, fsum, inf, lgamma, log

_STEPS = 30  # halvings: the bound is exact to nine digits


def is_above(rate: float, successes: int, failures: int, confidence: float) -> bool:
    """Report whether the record shows a success rate above `rate`, which is between 0 and 1."""
    return log_mixture(rate, successes, failures) >= -log(1 - confidence)


@lru_cache(maxsize=4096)
def lower_bound(successes: int, failures: int, confidence: float) -> float:
    """The highest rate that the record shows to be exceeded; 0 for an empty one."""
    low, high = 0.0, successes / (successes + failures) if successes else 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle > 0 and is_above(middle, successes, failures, confidence):
            low = middle
        else:
            high = middle
    return low


def log_mixture(rate: float, successes: int, failures: int) -> float:
    """The logarithm of the mixture: the integral of p^successes (1-p)^failures over all p above `rate`, by its length
    and by the value at `rate`. A beta integral is a sum of binomial terms.
    """
    trials = successes + failures
    above = fsum(exp(_log_binomial(rate, trials + 1, k)) for k in range(successes + 1))
    if above == 0:
        return -inf
    return log(above) - log((1 - rate) * (trials + 1)) - _log_binomial(rate, trials, successes)


def _log_binomial(rate: float, trials: int, hits: int) -> float:
    """The logarithm of the probability of exactly so many hits."""
    ways = lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)
    return ways + hits * log(rate) + (trials - hits) * log(1 - rate)
