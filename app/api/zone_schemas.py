"""What goes over the wire about a zone's pause and its budget of Cloudflare calls."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import PlainText


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


EXAMPLE_BUDGET: dict[str, Any] = {
    "name": "default",
    "limit": 1200,
    "ours": 960,
    "window_seconds": 300,
    "available": 57,
    "spent": {"interactive": 12, "creation": 3, "validation": 140, "sweeps": 66, "others": 9},
    "blocked_until": None,
    "creations": {"limit": 15, "ours": 14, "window_seconds": 60, "spent": 3, "blocked_until": None},
    "queues": {
        "creation": {"waiting": 0, "first_few": 0, "estimated_empty_at": None},
        "validation": {"waiting": 0, "first_few": 0, "estimated_empty_at": None},
    },
}


class SpentOut(_Strict):
    """Calls of the last window by what they were for."""

    interactive: int
    creation: int
    validation: int
    sweeps: int
    others: int = Field(description="Calls of others within the same limit, as Cloudflare says.")


class CreationsOut(_Strict):
    """The limit of creations."""

    limit: int
    ours: int
    window_seconds: float
    spent: int
    blocked_until: datetime | None


class QueueLengthOut(_Strict):
    """How many hostnames wait for a call."""

    waiting: int
    first_few: int = Field(description="Of these, the tenants' first few, which go first.")
    estimated_empty_at: datetime | None


class QueuesOut(_Strict):
    """Who waits, and for what."""

    creation: QueueLengthOut
    validation: QueueLengthOut


class BudgetOut(_Strict):
    """The budget of Cloudflare calls that a zone draws on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_BUDGET]})

    name: str
    limit: int = Field(description="Calls that Cloudflare takes within a window.")
    ours: int = Field(description="The part of them that is spent here.")
    window_seconds: float
    available: int = Field(description="Calls that could be made at this moment.")
    spent: SpentOut
    blocked_until: datetime | None = Field(description="Cloudflare refuses all calls until then.")
    creations: CreationsOut
    queues: QueuesOut


class ZonePauseIn(_Strict):
    """Why a person pauses the zone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"detail": "Cloudflare has an incident"}]}
    )

    detail: Annotated[PlainText, Field(max_length=500)] | None = None


class ZoneResumeIn(_Strict):
    """How the zone goes on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"accept_regressions": False}]}
    )

    accept_regressions: bool = Field(
        default=False,
        description="What stopped the zone is true: tell the tenants, and let no breaker stop it.",
    )
