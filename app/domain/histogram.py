"""Histograms whose buckets grow by a constant factor: quantiles have a bounded error. Pure.

The buckets are those of DDSketch (https://arxiv.org/abs/1908.10693): bucket n holds the values
above `GROWTH ** (n - 1)`, up to and including `GROWTH ** n`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

GROWTH = 1.1
"""A quantile is then at most 4.8 % from the true one."""

Histogram = Mapping[int, int]
"""How many values are in each bucket."""


def bucket_of(value: float) -> int:
    """Return the bucket of a value; those of 1 and below share bucket 0."""
    return math.ceil(math.log(max(value, 1.0), GROWTH))


def quantile(histogram: Histogram, part: float) -> float | None:
    """Estimate the value that `part` of the values do not exceed. None without values."""
    total = sum(histogram.values())
    if not total:
        return None
    rank = part * (total - 1)
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen > rank:
            # Within a factor of (GROWTH - 1) / (GROWTH + 1) of both ends of the bucket.
            return float(2 * GROWTH**bucket / (GROWTH + 1))
    raise AssertionError("the ranks end below the total")


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms up."""
    total: Counter[int] = Counter()
    for each in histograms:
        total.update(each)
    return total
