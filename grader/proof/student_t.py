"""Student's t distribution: how far from the mean of n runs the next run may fall.

Two functions of a page do not justify a library of 100 MB; the tests compare them with the published tables.
"""

from __future__ import annotations

import math
from functools import cache

TERMS = 300  # of the continued fraction; some tens are enough
TINY = 1e-300
PRECISE = 1e-13
FARTHEST = 1e9  # standard deviations; beyond any use


def t_below(t: float, freedom: int) -> float:
    """The probability that a value of the distribution lies below `t`, accurate far out in the lower tail."""
    tail = 0.5 * _beta_share(freedom / (freedom + t * t), freedom / 2, 0.5)
    return tail if t < 0 else 1 - tail


@cache
def t_point(probability: float, freedom: int) -> float:
    """The value below which the distribution lies with a probability of at most one half."""
    if not 0 < probability <= 0.5:
        raise ValueError(f"a probability in (0, 0.5] is due, not {probability}")
    low, high = -FARTHEST, 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):  # where the fraction converges fast
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's way of working a continued fraction out from its front."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + numerator * d)
            c = _not_zero(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < PRECISE:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
