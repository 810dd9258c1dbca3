"""What goes over the wire for the feed of all events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import EXAMPLE_EVENT, EXAMPLE_HOSTNAME
from app.domain.events import EventType, ZoneEventType

EXAMPLE_FEED_EVENT: dict[str, Any] = {
    "number": 1042,
    **EXAMPLE_EVENT,
    "tenant": "tenant-7",
    "data": {"custom_hostname": EXAMPLE_HOSTNAME},
}


class FeedEventOut(BaseModel):
    """An event of a hostname or of a zone, with its number in the feed."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"examples": [EXAMPLE_FEED_EVENT]}
    )

    number: int = Field(description="Its place among all events. Numbers rise and have no gaps.")
    id: str
    type: EventType | ZoneEventType
    subject: str = Field(description="The id of the hostname or zone that it is about.")
    sequence: int = Field(description="Its place among its subject's events; it has no gaps.")
    tenant: str | None = Field(description="The hostname's tenant; null for a zone's event.")
    created_at: datetime
    before: str | None = Field(alias="from")
    after: str = Field(alias="to")
    reason: str
    data: dict[str, Any] = Field(
        description="`custom_hostname` or `zone`, as it was then and as webhooks carry it."
    )


class FeedEventPage(BaseModel):
    """A page of the feed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_FEED_EVENT], "next_cursor": None}]},
    )

    data: list[FeedEventOut]
    next_cursor: str | None = Field(
        description="Null at the end of the feed. Otherwise there may be more, even if `data` has "
        "fewer items than `limit`."
    )
