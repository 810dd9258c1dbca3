"""The events of a hostname over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.api.schemas import Strict
from app.domain.custom_hostname import State
from app.domain.events import EventType

EXAMPLE_EVENT: dict[str, Any] = {
    "id": "evt_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "type": "custom_hostname.active",
    "sequence": 3,
    "created_at": "2026-11-23T10:02:00+00:00",
    "from": "validating",
    "to": "active",
    "reason": "live",
}


class EventOut(Strict):
    """An event of one hostname; `sequence` has no gaps."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"examples": [EXAMPLE_EVENT]}
    )

    id: str
    type: EventType
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
