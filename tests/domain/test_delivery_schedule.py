"""When a failed delivery is tried again, and what a large hostname's message holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.deliveries import (
    MOST_RETRY_AFTER,
    WEBHOOK_RETRIES,
    Attempt,
    next_attempt_in,
)
from app.domain.event_samples import sample_body
from app.domain.events import (
    LONGEST_BODY,
    THIN,
    EndpointEventType,
    EventType,
    ZoneEventType,
    tenants_webhook_body,
    thin_webhook_body,
)

MIDDLE = 0.5
"""The chance that varies nothing."""
CHANCES = st.floats(0, 1, exclude_max=True)


def failed(status: int | None = 500, retry_after: float | None = None) -> Attempt:
    return Attempt(duration_ms=20, status_code=status, retry_after=retry_after)


@pytest.mark.parametrize(("attempts", "seconds"), [*enumerate(WEBHOOK_RETRIES, start=1)])
@pytest.mark.parametrize("status", [None, 302, 404, 429, 500])
def test_a_failed_attempt_is_repeated_on_the_schedule(
    attempts: int, seconds: int, status: int | None
) -> None:
    waits = [next_attempt_in(failed(status), attempts, chance=each) for each in (0, MIDDLE)]
    assert waits == [timedelta(seconds=seconds * 0.9), timedelta(seconds=seconds)]


@given(st.integers(1, len(WEBHOOK_RETRIES)), CHANCES)
def test_a_wait_varies_by_a_tenth(attempts: int, chance: float) -> None:
    wait = next_attempt_in(failed(), attempts, chance=chance)
    assert wait is not None
    assert 0.9 <= wait.total_seconds() / WEBHOOK_RETRIES[attempts - 1] <= 1.1


@given(CHANCES, st.floats(0, 1e6))
def test_the_eighth_attempt_is_the_last(chance: float, retry_after: float) -> None:
    assert len(WEBHOOK_RETRIES) + 1 == 8
    assert next_attempt_in(failed(503, retry_after), 8, chance=chance) is None


@pytest.mark.parametrize("attempts", range(1, 9))
def test_410_ends_a_delivery_at_once(attempts: int) -> None:
    assert failed(410).is_gone
    assert next_attempt_in(failed(410, 60), attempts, chance=MIDDLE) is None


@pytest.mark.parametrize(
    ("attempts", "retry_after", "seconds"),
    [
        pytest.param(1, 60.0, 60.0, id="longer than the schedule"),
        pytest.param(3, 60.0, 1800.0, id="shorter than the schedule"),
        pytest.param(1, 0.0, 5.0, id="none"),
        pytest.param(1, 1e9, MOST_RETRY_AFTER, id="longer than a day"),
        pytest.param(7, 1e9, MOST_RETRY_AFTER, id="longer than a day, at the end"),
    ],
)
def test_a_receiver_may_ask_for_a_longer_wait_up_to_a_day(
    attempts: int, retry_after: float, seconds: float
) -> None:
    wait = next_attempt_in(failed(429, retry_after), attempts, chance=MIDDLE)
    assert wait == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "succeeded"),
    [
        (200, True),
        (204, True),
        (299, True),
        (199, False),
        (300, False),
        (301, False),
        (None, False),
    ],
)
def test_only_2xx_is_success(status: int | None, *, succeeded: bool) -> None:
    assert failed(status).succeeded is succeeded


def large_body() -> dict[str, Any]:
    body = sample_body(EventType.CNAME_VERIFIED)
    body["data"]["custom_hostname"]["metadata"] = {"note": "x" * LONGEST_BODY}
    return body


def test_a_thin_body_says_which_hostname_it_is_and_where_to_read_the_rest() -> None:
    body = large_body()
    thin = thin_webhook_body(body)
    hostname = body["data"]["custom_hostname"]
    assert thin == {
        **{name: body[name] for name in ("type", "timestamp")},
        "data": {
            "event": body["data"]["event"],
            "custom_hostname": {
                **{name: hostname[name] for name in THIN},
                "link": f"/v1/custom-hostnames/{hostname['id']}",
            },
            "thin": True,
        },
    }


def test_making_a_body_thin_leaves_the_full_one_as_it_was() -> None:
    body = large_body()
    thin_webhook_body(body)
    assert body == large_body()


def test_a_tenants_own_endpoint_gets_a_thin_body_as_it_is() -> None:
    thin = thin_webhook_body(large_body())
    assert tenants_webhook_body(thin) == thin


def test_a_tenants_own_endpoint_gets_none_of_the_providers_data() -> None:
    shown = tenants_webhook_body(large_body())["data"]["custom_hostname"]
    assert "metadata" not in shown
    assert shown["hostname"] == large_body()["data"]["custom_hostname"]["hostname"]


@pytest.mark.parametrize("event_type", [ZoneEventType.PAUSED, EndpointEventType.DISABLED])
def test_what_is_about_no_hostname_goes_to_a_tenants_own_endpoint_as_it_is(
    event_type: ZoneEventType | EndpointEventType,
) -> None:
    body = sample_body(event_type)
    assert tenants_webhook_body(body) == body
