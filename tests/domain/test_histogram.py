"""Histograms: a quantile is within five per cent of the true one."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.histogram import bucket_of, merge, quantile


def filled(values: list[float]) -> Counter[int]:
    return Counter(map(bucket_of, values))


@given(
    st.lists(st.floats(min_value=1, max_value=1e7), min_size=1),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_a_quantile_is_within_five_per_cent(values: list[float], part: float) -> None:
    true = sorted(values)[math.floor(part * (len(values) - 1))]
    found = quantile(filled(values), part)
    assert found is not None
    assert abs(found - true) <= 0.05 * true


def test_the_median_of_lognormal_times_is_found() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    values = [chance.lognormvariate(math.log(45), 0.7) + 1 for _ in range(20_000)]
    found = quantile(filled(values), 0.5)
    assert found == pytest.approx(sorted(values)[10_000], rel=0.05)


def test_without_values_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_merged_histograms_add_up() -> None:
    assert merge([{1: 2, 3: 1}, {3: 4}, {}]) == {1: 2, 3: 5}


@pytest.mark.parametrize("value", [0, 0.2, 1])
def test_values_up_to_one_share_the_first_bucket(value: float) -> None:
    assert bucket_of(value) == 0


@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_a_larger_value_is_in_no_lower_bucket(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


@pytest.mark.parametrize("milliseconds", [1, 2, 3, 10, 45, 1000, 20_000])
def test_a_bucket_stands_for_its_values_within_five_per_cent(milliseconds: int) -> None:
    assert quantile({bucket_of(milliseconds): 1}, 0.5) == pytest.approx(milliseconds, rel=0.05)
