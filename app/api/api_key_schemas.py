"""API keys over the wire, for reading requests strictly and for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import Instant, PlainText, Tenant
from app.services.api_keys import Scope

EXAMPLE_KEY: dict[str, Any] = {
    "id": "key_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "name": "shop backend",
    "prefix": "np_3fk2",
    "scope": "write",
    "tenant": "customer-42",
    "created_at": "2026-11-26T10:00:00+00:00",
    "expires_at": "2027-11-26T10:00:00+00:00",
    "last_used_at": None,
    "revoked_at": None,
}


class ApiKeyCreate(BaseModel):
    """An API key to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "shop backend", "scope": "write", "tenant": "customer-42"}]
        },
    )

    name: Annotated[PlainText, Field(min_length=1, max_length=128)] = Field(
        "unnamed", description="A name for the key, to tell keys apart."
    )
    scope: Scope = Field(
        Scope.WRITE, description="`write` includes `read`, and `admin` includes both."
    )
    tenant: Tenant | None = Field(
        None,
        description="The tenant that the key is bound to: it sees and changes nothing else. Not "
        "with `admin`.",
    )
    expires_at: Instant | None = Field(
        None, description="When the key stops working, such as `2027-11-26T12:00:00Z`."
    )


class ApiKeyOut(BaseModel):
    """An API key, without the key itself."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_KEY]})

    id: str
    name: str
    prefix: str | None = Field(
        description="How the key begins; null if it came from the settings, or is older than this "
        "field."
    )
    scope: Scope
    tenant: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class ApiKeyCreated(ApiKeyOut):
    """A new API key with its secret, which is shown only once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {**EXAMPLE_KEY, "secret": "np_3fk2..."},
            ]
        },
    )

    secret: str = Field(description="The key itself, to be sent as `Authorization: Bearer ...`.")


class ApiKeyPage(BaseModel):
    """A page of API keys."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_KEY], "next_cursor": None}]},
    )

    data: list[ApiKeyOut]
    next_cursor: str | None
