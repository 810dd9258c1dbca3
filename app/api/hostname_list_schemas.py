"""The list of custom hostnames: what may be asked of it, and a page of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.api.hostname_schemas import EXAMPLE_HOSTNAME, CustomHostnameOut
from app.api.schemas import PlainText, Strict, Tenant
from app.domain.custom_hostname import State
from app.domain.reason import Reason, WaitingOn


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999, as UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class HostnameQuery(BaseModel):
    """Which hostnames a list has."""

    hostname: str | None = Field(
        default=None, max_length=1024, description="Only the hostname of exactly this name."
    )
    tenant: Tenant | None = Field(default=None, description="Only hostnames of this tenant.")
    zone: PlainText | None = Field(
        default=None,
        max_length=64,
        description="Only hostnames of the zone with this id, or `default`.",
    )
    state: list[State] = Field(
        default=[],
        max_length=len(State),
        description="Only hostnames in this state; repeat it for several states. By default, all "
        "states but `deleted`.",
    )
    reason: list[Reason] = Field(
        default=[],
        max_length=len(Reason),
        description="Only hostnames with this reason; repeat it for several reasons.",
    )
    waiting_on: WaitingOn | None = Field(
        default=None, description="Only hostnames that wait for this party."
    )
    created_after: Instant | None = Field(
        default=None,
        description="Only hostnames created at this instant or later, such as "
        "`2026-11-26T12:00:00Z`.",
    )
    created_before: Instant | None = Field(
        default=None, description="Only hostnames created before this instant."
    )
    cursor: str | None = Field(
        default=None, max_length=256, description="`next_cursor` of the previous page."
    )
    limit: int = Field(
        default=50, ge=1, le=100, description="The maximum number of items to return."
    )


class HostnamePage(Strict):
    """A page of custom hostnames."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_HOSTNAME], "next_cursor": None}]},
    )

    data: list[CustomHostnameOut]
    next_cursor: str | None
