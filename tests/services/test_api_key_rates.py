"""How many requests a key may send: the bucket, by a clock that is moved, and its header fields."""

from __future__ import annotations

import re

import pytest

from app.services.api_key_rates import MOST_REMEMBERED, RequestRate


class Clocked:
    """A rate of two requests a second, four at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rate = RequestRate(2, 4, clock=lambda: self.now)

    def spend(self, key: str = "a") -> tuple[float, str]:
        wait, fields = self.rate.spend(key)
        return wait, dict(fields)[b"ratelimit"].decode()

    def use_up(self) -> None:
        for _ in range(4):
            assert self.spend()[0] == 0


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


def test_the_burst_is_let_through_and_the_next_waits_for_its_turn(clocked: Clocked) -> None:
    seen = [clocked.spend() for _ in range(6)]
    assert seen == [
        (0, '"default";r=3;t=1'),
        (0, '"default";r=2;t=1'),
        (0, '"default";r=1;t=2'),
        (0, '"default";r=0;t=2'),
        (0.5, '"default";r=0;t=2'),
        (0.5, '"default";r=0;t=2'),
    ]


@pytest.mark.parametrize(
    ("seconds", "wait", "left"), [(0.25, 0.25, 0), (0.5, 0, 0), (1.0, 0, 1), (60.0, 0, 3)]
)
def test_time_gives_requests_back_as_many_as_the_burst(
    clocked: Clocked, seconds: float, wait: float, left: int
) -> None:
    clocked.use_up()
    clocked.now += seconds
    waited, field = clocked.spend()
    assert waited == pytest.approx(wait)
    assert f";r={left};" in field


def test_a_refused_request_costs_nothing(clocked: Clocked) -> None:
    clocked.use_up()
    for _ in range(100):
        assert clocked.spend()[0] == 0.5
    clocked.now += 0.5
    assert clocked.spend()[0] == 0


def test_keys_have_a_bucket_each(clocked: Clocked) -> None:
    clocked.use_up()
    assert clocked.spend("b")[0] == 0


@pytest.mark.parametrize(
    ("per_second", "burst", "policy"),
    [
        (200, 400, '"default";q=400;w=2'),
        (3, 4, '"default";q=6;w=2'),
        (10, 1, '"default";q=10;w=1'),
        (0.1, 1, '"default";q=1;w=10'),
        (0.29, 29, '"default";q=29;w=100'),
        (2.5, 1, '"default";q=2;w=1'),
    ],
)
def test_the_policy_is_what_the_rate_gives_while_the_burst_comes_back(
    per_second: float, burst: int, policy: str
) -> None:
    _, fields = RequestRate(per_second, burst).spend("a")
    assert dict(fields)[b"ratelimit-policy"].decode() == policy


@pytest.mark.parametrize(
    ("per_second", "burst"), [(200, 400), (3, 4), (10, 1), (0.125, 1), (2.5, 1), (4, 40)]
)
def test_the_quota_of_the_policy_can_be_used_in_every_window(per_second: float, burst: int) -> None:
    now = 1000.0
    rate = RequestRate(per_second, burst, clock=lambda: now)
    _, fields = rate.spend("other")
    quota, window = map(int, re.findall(r"[qw]=(\d+)", dict(fields)[b"ratelimit-policy"].decode()))
    assert quota >= burst
    for _ in range(20 * quota):
        assert rate.spend("a")[0] == 0
        now += window / quota


def test_the_memory_is_bounded(clocked: Clocked) -> None:
    for number in range(MOST_REMEMBERED + 10):
        clocked.spend(str(number))
    assert len(clocked.rate._buckets) == MOST_REMEMBERED
