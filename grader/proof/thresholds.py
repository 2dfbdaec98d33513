"""From recorded accuracies to a threshold, with the rates of wrong verdicts that it implies.

The fit is a normal distribution of the logit, log(p / (1 - p)). An accuracy can't leave [0, 1]: near an end its spread
shrinks and its tail toward the middle is the longer one, and the logit takes both into account; around 50 % it is a
mere change of scale. The next run's distribution is Student's t with n - 1 degrees of freedom and a spread wider by
sqrt(1 + 1/n): mean and spread are themselves estimates from n runs, and with few of them the honest tails are heavy.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cached_property

from grader.proof.student_t import t_below, t_point

AIM = 1e-4  # of both rates
LEAST = 5  # runs, below which nothing is concluded
STEP = 1000  # thresholds are rounded down to 1 / STEP
UNCOUNTED = 1000  # images, where a suite does not say how many
FAR_FROM_NORMAL = 1.035  # Anderson and Darling's statistic, 1 % level, mean and spread estimated
NORMAL_NEEDS = 8  # runs
FARTHEST = 700.0  # a logit beyond it is a share of 0


@dataclass(frozen=True)
class Fit:
    """The runs of one submission, and what they say of the next."""

    submission: str
    values: tuple[float, ...]  # a share in [0, 1] for each run
    of: int = 0
    missing: int = 0  # runs that gave no figure

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        return statistics.stdev(self.values) if self.n > 1 else 0.0

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def below(self, threshold: float) -> float:
        """The probability that the next run is below `threshold`."""
        return t_below(self._away(threshold), self.n - 1)

    def reaches(self, threshold: float) -> float:
        """The probability that the next run reaches `threshold`."""
        return t_below(-self._away(threshold), self.n - 1)

    def fails_from(self, rate: float) -> float:
        """The threshold that the next run misses with the probability `rate`."""
        return self._share(self._centre + self._width * t_point(rate, self.n - 1))

    def passes_until(self, rate: float) -> float:
        """The threshold that the next run reaches with the probability `rate`."""
        return self._share(self._centre - self._width * t_point(rate, self.n - 1))

    @property
    def from_normal(self) -> float:
        """Anderson and Darling's statistic for normal logits; 0 where there are too few runs to tell."""
        ordered, n = sorted(self._logits), self.n
        spread = statistics.stdev(ordered) if n > 1 else 0.0
        if n < NORMAL_NEEDS or not spread:
            return 0.0
        normal = statistics.NormalDist(statistics.fmean(ordered), spread)
        shares = [min(max(normal.cdf(each), 1e-300), 1 - 1e-16) for each in ordered]
        total = sum((2 * i + 1) * (math.log(shares[i]) + math.log1p(-shares[n - 1 - i])) for i in range(n))
        return (-n - total / n) * (1 + 0.75 / n + 2.25 / n**2)

    @cached_property
    def _logits(self) -> list[float]:
        return [self._logit(value) for value in self.values]

    @cached_property
    def _centre(self) -> float:
        return statistics.fmean(self._logits)

    @cached_property
    def _width(self) -> float:
        """The spread of the next run about the mean of these."""
        spread = statistics.stdev(self._logits)
        if not spread:  # all alike: what counting so many images leaves open
            images = self.of or UNCOUNTED
            spread = math.sqrt(1 / (self.mean * images + 0.5) + 1 / ((1 - self.mean) * images + 0.5))
        return spread * math.sqrt(1 + 1 / self.n)

    def _away(self, threshold: float) -> float:
        return (self._logit(threshold) - self._centre) / self._width

    def _logit(self, value: float) -> float:
        """Half an image more on each side keeps it finite at 0 % and 100 %."""
        images = self.of or UNCOUNTED
        return math.log((value * images + 0.5) / ((1 - value) * images + 0.5))

    def _share(self, logit: float) -> float:
        images = self.of or UNCOUNTED
        share = 1 / (1 + math.exp(-logit)) if logit > -FARTHEST else 0.0
        return min(max((share * (images + 1) - 0.5) / images, 0.0), 1.0)


@dataclass(frozen=True)
class Derived:
    """A threshold and what it rests on."""

    threshold: float
    rights: list[Fit]
    told_apart: list[Fit]  # wrong plants, the nearest first
    alike: list[Fit]  # wrong plants that accuracy does not tell from a right answer: other tests are to catch them
    thin: list[Fit]  # too few runs to say

    @property
    def false_fail(self) -> float:
        """Of the right answer that is in the greatest danger."""
        return max(fit.below(self.threshold) for fit in self.rights)

    @property
    def nearest(self) -> Fit | None:
        return self.told_apart[0] if self.told_apart else None

    @property
    def false_pass(self) -> float | None:
        return self.nearest.reaches(self.threshold) if self.nearest else None

    @property
    def supported(self) -> bool:
        """Whether the runs support both rates aimed at, against at least one wrong plant."""
        return self.false_pass is not None and max(self.false_fail, self.false_pass) <= AIM


def derive(rights: list[Fit], wrongs: list[Fit], threshold: float | None = None) -> Derived:
    """The threshold at which the two kinds of wrong verdict are equally rare; or what a given one implies.

    A wrong plant is told apart where some threshold keeps both of its rates within the aim. With none that is, the
    threshold is where the right answers fail with the rate aimed at.
    """
    right = [fit for fit in rights if fit.n >= LEAST]
    thin = [fit for fit in [*rights, *wrongs] if fit.n < LEAST]
    if not right:
        raise ValueError(f"a right answer with at least {LEAST} runs is due")
    top = min(fit.fails_from(AIM) for fit in right)
    apart: list[Fit] = []
    alike: list[Fit] = []
    for fit in wrongs:
        if fit.n >= LEAST:
            (apart if fit.passes_until(AIM) <= top else alike).append(fit)
    if threshold is None:
        threshold = math.floor(_equal(right, apart, top) * STEP) / STEP
    level = threshold
    apart.sort(key=lambda fit: -fit.reaches(level))
    alike.sort(key=lambda fit: -fit.reaches(level))
    return Derived(threshold, right, apart, alike, thin)


def _equal(rights: list[Fit], wrongs: list[Fit], top: float) -> float:
    """Where the false-fail rate, which grows with the threshold, meets the false-pass rate, which falls."""
    if not wrongs:
        return top
    low, high = 0.0, top
    for _ in range(60):
        middle = (low + high) / 2
        fails, passes = max(fit.below(middle) for fit in rights), max(fit.reaches(middle) for fit in wrongs)
        low, high = (middle, high) if fails < passes else (low, middle)
    return low
