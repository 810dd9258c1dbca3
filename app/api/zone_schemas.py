"""What goes over the wire about zones: their set-up, pauses and budgets of Cloudflare calls."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import NameText, PlainText
from app.domain.zone import PauseReason


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PartOut(_Strict):
    """A record that the setup needs."""

    name: str
    state: Literal["present", "created", "proxied", "points_elsewhere", "missing", "unknown"] = (
        Field(description="`points_elsewhere`: the record is kept; it does not point at `origin`.")
    )
    type: str | None
    content: str | None
    error: str | None


class FallbackOriginOut(_Strict):
    """The zone's fallback origin, as Cloudflare reports it."""

    origin: str
    status: str
    errors: list[str]


class QuotaOut(_Strict):
    """How many custom hostnames the zone may have."""

    allocated: int | None
    used: int | None


EXAMPLE_ZONE: dict[str, Any] = {
    "id": "zone_01kb2r7k0000000000000000aa",
    "cloudflare_zone_id": "023e105f4ecef8ad9ca31a8372d0c353",
    "name": "provider.com",
    "is_default": True,
    "cname_target": "customers.provider.com",
    "fallback_origin": "proxy-fallback.provider.com",
    "budget": "default",
    "paused": None,
    "created_at": "2026-11-23T10:00:00+00:00",
}

EXAMPLE_USAGE: dict[str, Any] = {
    **EXAMPLE_ZONE,
    "is_ready": True,
    "token": "active",
    "saas_enabled": True,
    "missing_permissions": [],
    "quota": {"allocated": 5000, "used": 17},
    "setup": {
        "fallback_origin_record": {
            "name": "proxy-fallback.provider.com",
            "state": "present",
            "type": "A",
            "content": "192.0.2.10",
            "error": None,
        },
        "fallback_origin": {
            "origin": "proxy-fallback.provider.com",
            "status": "active",
            "errors": [],
        },
        "cname_target": {
            "name": "customers.provider.com",
            "state": "present",
            "type": "CNAME",
            "content": "proxy-fallback.provider.com",
            "error": None,
        },
    },
}


class PauseOut(_Strict):
    """Why work on the zone is paused."""

    reason: str = Field(json_schema_extra={"enum": [str(reason) for reason in PauseReason]})
    message: str
    detail: str | None
    since: datetime
    retry_at: datetime | None = Field(
        description="When Nameplate tries again; null: an operator must resume the zone."
    )


class ZoneOut(_Strict):
    """A Cloudflare zone of the provider."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_ZONE]})

    id: str
    cloudflare_zone_id: str
    name: str | None
    is_default: bool
    cname_target: str
    fallback_origin: str
    budget: str = Field(description="The budget that counts the zone's Cloudflare calls.")
    paused: PauseOut | None
    created_at: datetime


class SetupOut(_Strict):
    """The three parts of a zone's setup."""

    fallback_origin_record: PartOut
    fallback_origin: FallbackOriginOut | None
    cname_target: PartOut


class ZoneReportOut(ZoneOut):
    """A zone with its current state at Cloudflare."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_USAGE]})

    is_ready: bool = Field(description="Whether hostnames can validate in this zone.")
    token: str = Field(description="`active`, or what is wrong with the token.")
    saas_enabled: bool | None = Field(
        description="Whether Cloudflare for SaaS is enabled; null: Cloudflare did not say."
    )
    missing_permissions: list[str] = Field(
        description="The permissions that the token lacks, by Cloudflare's names."
    )
    quota: QuotaOut | None
    setup: SetupOut


class ZonePage(_Strict):
    """All zones."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_ZONE], "next_cursor": None}]},
    )

    data: list[ZoneOut]
    next_cursor: str | None


class ZoneSetUp(_Strict):
    """What the setup of a new zone needs."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"origin": "192.0.2.10"}]}
    )

    origin: NameText | None = Field(
        None,
        description="The address of your application: an IPv4 or IPv6 address, or one hostname.",
    )


EXAMPLE_BUDGET: dict[str, Any] = {
    "name": "default",
    "limit": 1200,
    "spendable": 960,
    "window_seconds": 300,
    "available": 57,
    "spent": {"interactive": 12, "creation": 3, "validation": 140, "resync": 66, "elsewhere": 9},
    "blocked_until": None,
    "creations": {
        "limit": 15,
        "spendable": 14,
        "window_seconds": 60,
        "spent": 3,
        "blocked_until": None,
    },
    "queues": {
        "creation": {"waiting": 0, "estimated_empty_at": None},
        "validation": {"waiting": 0, "estimated_empty_at": None},
    },
}


class SpentOut(_Strict):
    """Calls within the last window, by purpose."""

    interactive: int
    creation: int
    validation: int
    resync: int
    elsewhere: int = Field(
        description="Calls that other programs made within the same limit, by Cloudflare's count."
    )


class CreationsOut(_Strict):
    """The rate limit of creations."""

    limit: int
    spendable: int
    window_seconds: float
    spent: int
    blocked_until: datetime | None


class QueueLengthOut(_Strict):
    """How many hostnames wait for a call."""

    waiting: int
    estimated_empty_at: datetime | None


class QueuesOut(_Strict):
    """How many hostnames wait, by purpose."""

    creation: QueueLengthOut
    validation: QueueLengthOut


class BudgetOut(_Strict):
    """The budget of Cloudflare calls of a zone."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_BUDGET]})

    name: str
    limit: int = Field(description="Calls that Cloudflare allows within a window.")
    spendable: int = Field(description="How many of them this service may make.")
    window_seconds: float
    available: int = Field(description="Calls that this service can make now.")
    spent: SpentOut
    blocked_until: datetime | None = Field(description="Until when Cloudflare refuses all calls.")
    creations: CreationsOut
    queues: QueuesOut


class ZonePauseIn(_Strict):
    """Why the operator pauses the zone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"detail": "Cloudflare has an incident"}]}
    )

    detail: Annotated[PlainText, Field(max_length=500)] | None = None


class ZoneResumeIn(_Strict):
    """How to resume the zone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"accept_regressions": False}]}
    )

    accept_regressions: bool = Field(
        default=False,
        description="Accept the losses that paused the zone: emit their events, and leave the "
        "breaker off until every hostname was checked again.",
    )
