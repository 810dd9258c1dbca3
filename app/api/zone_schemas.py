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
    state: Literal["present", "created", "proxied", "elsewhere", "missing", "unknown"] = Field(
        description="`elsewhere`: it is there and stays, but leads elsewhere than `origin` says."
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

EXAMPLE_STANDING: dict[str, Any] = {
    **EXAMPLE_ZONE,
    "is_ready": True,
    "token": "active",
    "saas_enabled": True,
    "missing_permissions": [],
    "quota": {"allocated": 5000, "used": 17},
    "set_up": {
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


class SetUpOut(_Strict):
    """The three parts of a zone's set-up."""

    fallback_origin_record: PartOut
    fallback_origin: FallbackOriginOut | None
    cname_target: PartOut


class ZoneStandingOut(ZoneOut):
    """A zone, with what Cloudflare says of it at this moment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_STANDING]})

    is_ready: bool = Field(description="Hostnames can validate here.")
    token: str = Field(description="`active`, or what is wrong with the token.")
    saas_enabled: bool | None = Field(
        description="Whether Cloudflare for SaaS is enabled; null where Cloudflare did not say."
    )
    missing_permissions: list[str] = Field(
        description="What the token may not do, by Cloudflare's names of the permissions."
    )
    quota: QuotaOut | None
    set_up: SetUpOut


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
