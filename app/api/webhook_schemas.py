"""Webhook endpoints over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas import PlainText, Strict, Tenant
from app.domain.webhook_endpoint import DisabledReason, Signing

Url = Annotated[PlainText, Field(max_length=2048)]
Description = Annotated[
    PlainText, Field(max_length=255, description="For people: what the endpoint is for.")
]
EventTypes = Annotated[
    list[Annotated[PlainText, Field(max_length=128)]],
    Field(
        max_length=50,
        description="Event types to send, such as `custom_hostname.active`, "
        "`custom_hostname.*` or `*`; empty: all.",
    ),
]
RateLimit = Annotated[
    int | None,
    Field(ge=1, le=1000, description="Messages a second that are sent at most; null: no limit."),
]
Enabled = Annotated[bool, Field(description="A disabled endpoint gets nothing.")]


class WebhookEndpointCreate(Strict):
    """An address that receives events."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://hooks.provider.com/nameplate",
                    "description": "Tells the billing system",
                    "event_types": ["custom_hostname.cname_verified"],
                }
            ]
        },
    )

    url: Url
    description: Description = ""
    event_types: EventTypes = Field(default_factory=list)
    tenant: Tenant | None = Field(
        None,
        description="Send only events of this tenant; null: all tenants. By default the "
        "tenant that the API key is bound to.",
    )
    enabled: Enabled = True
    rate_limit: RateLimit = None
    signing: Signing = Field(
        Signing.HMAC_SHA256,
        description="How messages are signed (Standard Webhooks): `hmac-sha256` with a secret that "
        "both sides know, or `ed25519`, verified with `public_key`.",
    )


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("Must not be null; leave it out to keep it.")
    return value


class WebhookEndpointUpdate(Strict):
    """Fields to change. What is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"enabled": True}, {"event_types": ["custom_hostname.*"]}]},
    )

    url: Annotated[Url | SkipJsonSchema[None], AfterValidator(_not_null)] = None
    description: Annotated[Description | SkipJsonSchema[None], AfterValidator(_not_null)] = None
    event_types: Annotated[EventTypes | SkipJsonSchema[None], AfterValidator(_not_null)] = None
    enabled: Annotated[Enabled | SkipJsonSchema[None], AfterValidator(_not_null)] = None
    rate_limit: RateLimit = None


OVERLAP_HOURS = 24


class SecretRotation(Strict):
    """How to rotate a secret."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"overlap_hours": 24}]}
    )

    overlap_hours: int = Field(
        OVERLAP_HOURS,
        ge=0,
        le=168,
        description="For so long the previous secret signs as well; 0: no longer.",
    )


EXAMPLE_ENDPOINT: dict[str, Any] = {
    "id": "we_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "url": "https://hooks.provider.com/nameplate",
    "description": "Tells the billing system",
    "event_types": ["custom_hostname.cname_verified"],
    "tenant": None,
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "rate_limit": None,
    "signing": "hmac-sha256",
    "public_key": None,
    "previous_secret_until": None,
    "failing_since": None,
    "created_at": "2026-11-23T10:00:00+00:00",
    "updated_at": "2026-11-23T10:00:00+00:00",
}


class WebhookEndpointOut(Strict):
    """A webhook endpoint."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_ENDPOINT]})

    id: str
    url: str
    description: str
    event_types: list[str]
    tenant: str | None
    enabled: bool
    disabled_reason: DisabledReason | None = Field(
        description="`by_hand`; `failing`: it accepted nothing for five days; `gone`: it answered "
        "410."
    )
    disabled_at: datetime | None
    rate_limit: int | None
    signing: Signing
    public_key: str | None = Field(description="Of `ed25519`: what receivers verify with.")
    previous_secret_until: datetime | None = Field(
        description="Until then the previous secret signs as well."
    )
    failing_since: datetime | None = Field(
        description="The first failure since the last success; null: none."
    )
    created_at: datetime
    updated_at: datetime


class WebhookEndpointCreated(WebhookEndpointOut):
    """A webhook endpoint with its new secret, which is shown only once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{**EXAMPLE_ENDPOINT, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}]
        },
    )

    secret: str | None = Field(
        description="Null with `ed25519`: its private key never leaves Nameplate."
    )


class WebhookEndpointPage(Strict):
    """A page of webhook endpoints."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_ENDPOINT], "next_cursor": None}]},
    )

    data: list[WebhookEndpointOut]
    next_cursor: str | None
