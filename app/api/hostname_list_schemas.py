"""The list of custom hostnames: what may be asked of it, and a page of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.hostname_schemas import EXAMPLE_HOSTNAME, CustomHostnameOut
from app.api.schemas import (
    LABEL_KEY,
    MOST_LABEL_VALUE,
    MOST_LABELS,
    Instant,
    PlainText,
    Strict,
    Tenant,
)
from app.domain.custom_hostname import State
from app.domain.hostname import trim
from app.domain.reason import Reason, WaitingOn
from app.persistence.hostname_lists import MOST_COUNTED, Sort


def _trimmed(text: str) -> str:
    trimmed = trim(text)
    if not trimmed:
        raise ValueError("Must have at least one visible character.")
    return trimmed


def _label(text: str) -> str:
    key, colon, value = text.partition(":")
    if not colon or not LABEL_KEY.fullmatch(key) or len(value) > MOST_LABEL_VALUE:
        raise ValueError("Must be a label as `key:value`, such as `environment:production`.")
    return text


Label = Annotated[PlainText, AfterValidator(_label)]


class HostnameQuery(BaseModel):
    """Which hostnames a list has, in which order, and which page of it."""

    hostname: str | None = Field(
        default=None, max_length=1024, description="Only the hostname of exactly this name."
    )
    q: Annotated[PlainText, Field(max_length=253), AfterValidator(_trimmed)] | None = Field(
        default=None,
        description="Only hostnames whose name has this text in it; a text of one or two "
        "characters must begin the name. `%`, `_` and `*` mean themselves.",
    )
    tenant: Tenant | None = Field(
        default=None,
        description="Only hostnames of this tenant. By default the one that the API key is bound "
        "to.",
    )
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
    label: list[Label] = Field(
        default=[],
        max_length=MOST_LABELS,
        description="Only hostnames with this label, written as `key:value`; repeat it for several "
        "labels, of which a hostname must have all.",
    )
    created_after: Instant | None = Field(
        default=None,
        description="Only hostnames created at this instant or later, such as "
        "`2026-11-26T12:00:00Z`.",
    )
    created_before: Instant | None = Field(
        default=None, description="Only hostnames created before this instant."
    )
    sort: Sort = Field(
        default=Sort.CREATED,
        description="`created`: newest first; each hostname comes once, whatever changes "
        "meanwhile. `changed`: by `updated_at`, last changed first; a hostname that changes while "
        "you page may come twice or be missed. To keep a copy, follow the events.",
    )
    count: bool = Field(
        default=False,
        description=f"Also count the hostnames that fit, up to {MOST_COUNTED:,}.",
    )
    cursor: str | None = Field(
        default=None,
        max_length=256,
        description="`next_cursor` of the previous page, with the same filter and sort.",
    )
    limit: int = Field(
        default=50, ge=1, le=100, description="The maximum number of items to return."
    )

    def list_conditions(self) -> dict[str, Any]:
        """Return what tells this list from others, as JSON: all but the page."""
        page = {"count", "cursor", "limit"}
        return self.model_dump(mode="json", exclude=page, exclude_defaults=True)


class HostnamePage(Strict):
    """A page of custom hostnames."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_HOSTNAME], "next_cursor": None}]},
    )

    data: list[CustomHostnameOut]
    next_cursor: str | None
    total: int | None = Field(
        default=None, description="With `count=true`: how many hostnames fit the filter."
    )
    total_is_exact: bool | None = Field(
        default=None,
        description="With `count=true`: false if there are more than `total`.",
    )
