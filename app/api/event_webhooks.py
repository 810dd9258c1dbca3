"""The webhooks of OpenAPI 3.1: what is POSTed to an endpoint for each type of event.

FastAPI can describe webhooks by routes, but would list a 422 that no receiver sends, and one schema
for all types.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.api.event_schemas import EventOut
from app.api.hostname_schemas import HostnameDocument
from app.api.schemas import Strict
from app.domain.custom_hostname import State
from app.domain.event_samples import SAMPLES
from app.domain.events import EndpointEventType, EventType, ZoneEventType


class ThinHostname(Strict):
    """What is left of a custom hostname whose document is too large for a webhook."""

    id: str
    hostname: str
    tenant: str
    zone: str
    state: State
    reason: str
    message: str
    serving: bool
    link: str = Field(description="Where to read the rest: the hostname as it is now.")


class HostnameEventData(Strict):
    """An event, and its hostname as it was then."""

    event: EventOut
    custom_hostname: HostnameDocument | ThinHostname
    thin: bool = Field(
        default=False,
        description="True where the hostname was too large to be sent; left out otherwise.",
    )


class HostnameWebhook(Strict):
    """The body for an event of a hostname."""

    type: EventType
    timestamp: datetime = Field(description="When it happened, however late it is sent.")
    data: HostnameEventData


class ZoneEventOut(Strict):
    """An event of one zone; `sequence` has no gaps within its `subject`, the zone."""

    id: str
    type: ZoneEventType
    subject: str
    sequence: int
    created_at: datetime
    before: Literal["open", "paused"] = Field(alias="from")
    after: Literal["open", "paused"] = Field(alias="to")
    reason: str = Field(description="What paused the zone.")


class EventZone(Strict):
    """The zone of an event."""

    id: str
    name: str | None
    message: str = Field(description="The reason in one sentence, for people.")
    detail: str | None = Field(description="What Cloudflare answered, or why an operator paused.")


class ZoneEventData(Strict):
    """An event, and its zone."""

    event: ZoneEventOut
    zone: EventZone


class ZoneWebhook(Strict):
    """The body for an event of a zone."""

    type: ZoneEventType
    timestamp: datetime = Field(description="When it happened, however late it is sent.")
    data: ZoneEventData


class EndpointEventOut(Strict):
    """An event of one webhook endpoint; `sequence` has no gaps within its `subject`."""

    id: str
    type: EndpointEventType
    subject: str
    sequence: int
    created_at: datetime
    before: Literal["enabled"] = Field(alias="from")
    after: Literal["disabled"] = Field(alias="to")
    reason: Literal["failing", "gone"]


class EventEndpoint(Strict):
    """The webhook endpoint of an event."""

    id: str
    url: str
    description: str
    tenant: str | None
    message: str = Field(description="The reason in one sentence, with the way out.")


class EndpointEventData(Strict):
    """An event, and its webhook endpoint."""

    event: EndpointEventOut
    webhook_endpoint: EventEndpoint


class EndpointWebhook(Strict):
    """The body for an event of a webhook endpoint."""

    type: EndpointEventType
    timestamp: datetime = Field(description="When it happened, however late it is sent.")
    data: EndpointEventData


SCHEMAS = (HostnameWebhook, ZoneWebhook, EndpointWebhook)
_BODIES: dict[str, type[Strict]] = {
    **dict.fromkeys(EventType, HostnameWebhook),
    **dict.fromkeys(ZoneEventType, ZoneWebhook),
    **dict.fromkeys(EndpointEventType, EndpointWebhook),
}
_HEADERS = (
    (
        "webhook-id",
        "evt_01kb2r7m3v4x5y6z7a8b9c0d04",
        "The event's id, the same in all attempts: it identifies repetitions.",
    ),
    ("webhook-timestamp", "1795428126", "When this attempt was made, in seconds of Unix time."),
    (
        "webhook-signature",
        "v1,m91VBrrD5kRITbXVyHhEheC5j2/sPOFyPv/gBF0fNec=",
        (
            "Signatures of `id.timestamp.body`, separated by spaces: `v1,` and an HMAC-SHA256, or "
            "`v1a,` and an Ed25519 signature, in base64 (Standard Webhooks)."
        ),
    ),
)
_ANSWERS = {
    "2XX": {"description": "The event was taken. Answer first and work later."},
    "410": {"description": "No more, ever: the endpoint is disabled at once."},
    "default": {
        "description": "Anything else, redirects included, is a failed attempt: it is repeated on "
        "the schedule, or after `Retry-After`."
    },
}


def webhooks() -> dict[str, Any]:
    """Build the section `webhooks`: a path item for each type of event, under its name."""
    return {event_type: {"post": _operation(event_type)} for event_type in SAMPLES}


def _operation(event_type: str) -> dict[str, Any]:
    sample = SAMPLES[event_type]
    schema = {
        "$ref": f"#/components/schemas/{_BODIES[event_type].__name__}",
        # Beside the reference, as JSON Schema 2020-12 allows.
        "properties": {"type": {"const": str(event_type)}},
    }
    return {
        "tags": ["events"],
        "summary": sample.meaning,
        "operationId": f"receive_{event_type.replace('.', '_')}",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
                "example": example,
            }
            for name, example, description in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": sample.body()}},
        },
        "responses": _ANSWERS,
    }
