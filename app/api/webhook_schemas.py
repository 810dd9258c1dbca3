"""Webhook endpoints over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.api.schemas import PlainText, Strict, Tenant


class WebhookEndpointCreate(Strict):
    """An address that receives events."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://hooks.provider.com/nameplate",
                    "event_types": ["custom_hostname.cname_verified"],
                }
            ]
        },
    )

    url: PlainText = Field(max_length=2048)
    event_types: list[Annotated[PlainText, Field(max_length=128)]] = Field(
        default_factory=list, max_length=50, description="Event types to send; empty: all."
    )
    tenant: Tenant | None = Field(
        None,
        description="Send only events of this tenant; null: all tenants. By default the "
        "tenant that the API key is bound to.",
    )


EXAMPLE_ENDPOINT: dict[str, Any] = {
    "id": "we_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "url": "https://hooks.provider.com/nameplate",
    "event_types": ["custom_hostname.cname_verified"],
    "tenant": None,
    "created_at": "2026-11-23T10:00:00+00:00",
}


class WebhookEndpointOut(Strict):
    """A webhook endpoint."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_ENDPOINT]})

    id: str
    url: str
    event_types: list[str]
    tenant: str | None
    created_at: datetime


class WebhookEndpointCreated(WebhookEndpointOut):
    """A new webhook endpoint with its secret, which is shown only once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{**EXAMPLE_ENDPOINT, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}]
        },
    )

    secret: str


class WebhookEndpointPage(Strict):
    """A page of webhook endpoints."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_ENDPOINT], "next_cursor": None}]},
    )

    data: list[WebhookEndpointOut]
    next_cursor: str | None
