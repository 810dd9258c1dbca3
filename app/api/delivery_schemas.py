"""Webhook deliveries over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.schemas import Instant, PlainText, Strict
from app.domain.events import AnyEventType, EventType
from app.persistence.delivery_history import DeliveryStatus
from app.services.delivery_history import Include

EXAMPLE_DELIVERY: dict[str, Any] = {
    "id": "dlv_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "event_id": "evt_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "event_type": "custom_hostname.active",
    "subject": "ch_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "sequence": 3,
    "status": "exhausted",
    "reason": None,
    "attempts": 8,
    "next_attempt_at": None,
    "created_at": "2026-11-23T10:02:00+00:00",
}
EXAMPLE_ATTEMPT: dict[str, Any] = {
    "number": 8,
    "started_at": "2026-11-24T13:37:00+00:00",
    "duration_ms": 41,
    "status_code": 500,
    "error": None,
    "answer": "the database is locked",
}


class DeliveryQuery(BaseModel):
    """Which of an endpoint's deliveries a list has, and which page of it."""

    status: DeliveryStatus | None = Field(
        default=None, description="Only deliveries in this status."
    )
    event_type: AnyEventType | None = Field(
        default=None, description="Only events of this type; no test events."
    )
    subject: PlainText | None = Field(
        default=None, max_length=64, description="Only events about the thing with this id."
    )
    since: Instant | None = Field(
        default=None, description="Only deliveries made at this instant or later."
    )
    until: Instant | None = Field(
        default=None, description="Only deliveries made before this instant."
    )
    cursor: str | None = Field(
        default=None,
        max_length=256,
        description="`next_cursor` of the previous page, with the same filter.",
    )
    limit: int = Field(
        default=50, ge=1, le=100, description="The maximum number of items to return."
    )

    def list_conditions(self) -> dict[str, Any]:
        """Return what tells this list from others, as JSON: all but the page."""
        return self.model_dump(mode="json", exclude={"cursor", "limit"}, exclude_defaults=True)


class DeliveryOut(Strict):
    """One event that is due to an endpoint, or was sent to it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_DELIVERY]})

    id: str
    event_id: str | None = Field(description="Null: a test event, whose `webhook-id` is `id`.")
    event_type: str
    subject: str = Field(description="The id of what the event is about.")
    sequence: int
    status: DeliveryStatus = Field(
        description="`pending`: waits for an attempt; `succeeded`; `exhausted`: given up; "
        "`cancelled`: the endpoint was removed."
    )
    reason: str | None = Field(
        description="Why it ended unsent: `endpoint_disabled` or `endpoint_removed`."
    )
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime


class DeliveryPage(Strict):
    """A page of deliveries."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_DELIVERY], "next_cursor": None}]},
    )

    data: list[DeliveryOut]
    next_cursor: str | None


class AttemptOut(Strict):
    """One attempt of a delivery."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_ATTEMPT]})

    number: int
    started_at: datetime
    duration_ms: int
    status_code: int | None = Field(description="Null: there was no answer; see `error`.")
    error: str | None
    answer: str | None = Field(description="The beginning of the answer's body, up to 1 KiB.")


class DeliveryDetailOut(DeliveryOut):
    """A delivery with what is sent, and its attempts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE_DELIVERY,
                    "body": {"type": "custom_hostname.active", "data": {}},
                    "attempts_made": [EXAMPLE_ATTEMPT],
                }
            ]
        },
    )

    body: dict[str, Any] = Field(description="The JSON that is sent, the same at each attempt.")
    attempts_made: list[AttemptOut] = Field(description="The last hundred, newest first.")


class Replay(Strict):
    """Which deliveries to send once more."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"since": "2026-11-20T00:00:00Z", "include": "undelivered"}]
        },
    )

    since: Instant = Field(description="When the delivery was made, or else its event.")
    until: Instant | None = Field(None, description="That instant is not included.")
    cursor: str | None = Field(
        None,
        max_length=256,
        description="`next_cursor` of the answer before, with the same other fields.",
    )
    include: Include = Field(
        Include.FAILED,
        description="`failed`: what was given up; `undelivered`: also events without a delivery, "
        "as while the endpoint was disabled; `all`: also what was delivered.",
    )

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        if self.until is not None and self.until <= self.since:
            raise ValueError("`until` must be later than `since`.")
        return self

    def conditions(self) -> dict[str, Any]:
        """Return what tells this replay from others, as JSON: all but the cursor."""
        return self.model_dump(mode="json", exclude={"cursor"})


class ReplayOut(Strict):
    """What a replay began."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"replayed": 1250, "next_cursor": None}]},
    )

    replayed: int = Field(description="How many deliveries are sent once more.")
    next_cursor: str | None = Field(
        description="Null: the replay is complete. Otherwise send the request again with this "
        "`cursor`."
    )


class TestEvent(Strict):
    """Which test event to send."""

    __test__ = False
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"type": "custom_hostname.active"}]}
    )

    type: AnyEventType = EventType.CNAME_VERIFIED


EXAMPLE_STATISTICS: dict[str, Any] = {
    "hours": 24,
    "succeeded": 1204,
    "failed": 3,
    "duration_ms": {"p50": 41.5, "p95": 130.2, "p99": 402.0},
    "waiting": 0,
    "waiting_is_exact": True,
    "oldest_waiting_at": None,
}


class DurationsOut(Strict):
    """Durations in milliseconds, within 5 %; null without attempts."""

    p50: float | None
    p95: float | None
    p99: float | None


class StatisticsOut(Strict):
    """An endpoint's attempts of the last hours, and what waits."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_STATISTICS]})

    hours: int
    succeeded: int = Field(description="Attempts that were answered with 2xx.")
    failed: int = Field(description="Attempts that were not.")
    duration_ms: DurationsOut
    waiting: int = Field(description="Deliveries that wait for an attempt.")
    waiting_is_exact: bool = Field(description="False: at least so many.")
    oldest_waiting_at: datetime | None
