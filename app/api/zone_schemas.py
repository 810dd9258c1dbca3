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
    """One record the set-up needs."""

    name: str
    state: Literal["present", "created", "proxied", "points_elsewhere", "missing", "unknown"] = (
        Field(
            description="`points_elsewhere`: it exists and is kept; it does not point at `origin`."
        )
    )
    type: str | None
    content: str | None
    error: str | None


class FallbackOriginOut(_Strict):
    """The zone's fallback origin as Cloudflare reports it."""

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
    """Why work on the zone is stopped."""

    reason: str = Field(json_schema_extra={"enum": [str(reason) for reason in PauseReason]})
    message: str
    detail: str | None
    since: datetime
    retry_at: datetime | None = Field(description="When it is tried again; null: by hand alone.")


class ZoneOut(_Strict):
    """A zone of the provider's at Cloudflare."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_ZONE]})

    id: str
    cloudflare_zone_id: str
    name: str | None
    is_default: bool
    cname_target: str
    fallback_origin: str
    budget: str = Field(description="The budget of Cloudflare calls that it draws on.")
    paused: PauseOut | None
    created_at: datetime


class SetupOut(_Strict):
    """The three parts of a zone's set-up."""

    fallback_origin_record: PartOut
    fallback_origin: FallbackOriginOut | None
    cname_target: PartOut


class ZoneReportOut(ZoneOut):
    """A zone, with what Cloudflare says of it at this moment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_USAGE]})

    is_ready: bool = Field(description="Hostnames can validate here.")
    token: str = Field(description="`active`, or what is wrong with the token.")
    saas_enabled: bool | None = Field(
        description="Whether Cloudflare for SaaS is enabled; null where Cloudflare did not say."
    )
    missing_permissions: list[str] = Field(
        description="What the token may not do, by Cloudflare's names of the permissions."
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
    """What the set-up needs to know where nothing is set up yet."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"origin": "192.0.2.10"}]}
    )

    origin: NameText | None = Field(
        None,
        description="Where your application answers: an IPv4 or IPv6 address, or one hostname.",
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
        "creation": {"waiting": 0, "within_share": 0, "estimated_empty_at": None},
        "validation": {"waiting": 0, "within_share": 0, "estimated_empty_at": None},
    },
}


class SpentOut(_Strict):
    """Calls of the last window by what they were for."""

    interactive: int
    creation: int
    validation: int
    resync: int
    elsewhere: int = Field(
        description="Calls that other programs made within the same limit, as Cloudflare counts."
    )


class CreationsOut(_Strict):
    """The limit of creations."""

    limit: int
    spendable: int
    window_seconds: float
    spent: int
    blocked_until: datetime | None


class QueueLengthOut(_Strict):
    """How many hostnames wait for a call."""

    waiting: int
    within_share: int = Field(
        description="Of these, the first three of each tenant, which are served first."
    )
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
    spendable: int = Field(description="How many of them this service may make.")
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
