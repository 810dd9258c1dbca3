"""The events of a hostname, and the feed of all events, over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.api.hostname_schemas import EXAMPLE_HOSTNAME
from app.api.schemas import Strict
from app.domain.custom_hostname import State
from app.domain.events import AnyEventType, EventType

EXAMPLE_EVENT: dict[str, Any] = {
    "id": "evt_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "type": "custom_hostname.active",
    "subject": "ch_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "sequence": 3,
    "created_at": "2026-11-23T10:02:00+00:00",
    "from": "validating",
    "to": "active",
    "reason": "live",
}


class EventOut(Strict):
    """An event of one hostname; `sequence` has no gaps within its `subject`, the hostname."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"examples": [EXAMPLE_EVENT]}
    )

    id: str
    type: EventType
    subject: str
    sequence: int
    created_at: datetime
    before: State | None = Field(alias="from")
    after: State = Field(alias="to")
    reason: str


class EventPage(Strict):
    """A page of events."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_EVENT], "next_cursor": None}]},
    )

    data: list[EventOut]
    next_cursor: str | None


EXAMPLE_FEED_EVENT: dict[str, Any] = {
    "number": 1042,
    **EXAMPLE_EVENT,
    "tenant": "tenant-7",
    "data": {"custom_hostname": EXAMPLE_HOSTNAME},
}


class FeedEventOut(Strict):
    """An event of a hostname, a zone or a webhook endpoint, with its number in the feed."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"examples": [EXAMPLE_FEED_EVENT]}
    )

    number: int = Field(description="Its place among all events. Numbers rise and have no gaps.")
    id: str
    type: AnyEventType
    subject: str = Field(
        description="The id of the hostname, zone or webhook endpoint that it is about."
    )
    sequence: int = Field(description="Its place among its subject's events; it has no gaps.")
    tenant: str | None = Field(description="The hostname's tenant; null for a zone's event.")
    created_at: datetime
    before: str | None = Field(alias="from")
    after: str = Field(alias="to")
    reason: str
    data: dict[str, Any] = Field(
        description="`custom_hostname`, `zone` or `webhook_endpoint`, as it was then and as "
        "webhooks carry it."
    )


class FeedEventPage(Strict):
    """A page of the feed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"data": [EXAMPLE_FEED_EVENT], "next_cursor": None, "position": 1042}]
        },
    )

    data: list[FeedEventOut]
    next_cursor: str | None = Field(
        description="Null at the end of the feed. Otherwise there may be more, even if `data` has "
        "fewer items than `limit`."
    )
    position: int = Field(
        description="How far the feed was read: the number to continue after, even if the filter "
        "fits no event up to it."
    )
