"""What all schemas share: the texts and the JSON that requests may hold, and problems."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from app.domain.tenant import LONGEST_TENANT

MAX_METADATA = 8192
MAX_DEPTH = 16
NOT_FOR_TENANTS = "Left out for keys that are bound to a tenant."
MOST_LABELS = 20
MOST_LABEL_VALUE = 255
LABEL_KEY = re.compile(r"[A-Za-z0-9._/-]{1,63}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", re.ASCII)


def plain_text(text: str) -> str:
    """Refuse what no text column and no log line should hold."""
    if not text.isprintable():
        raise ValueError("Contains control characters or lone surrogates; take them out.")
    return text


def plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse JSON that Postgres cannot keep, or that is too much of it."""
    if _weight(value, 0) > MAX_METADATA:
        raise ValueError(f"Must be {MAX_METADATA} characters or shorter.")
    return value


def _weight(value: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"Must be nested {MAX_DEPTH} levels deep at most.")
    match value:
        case dict():
            return sum(_weight(k, depth) + _weight(v, depth + 1) + 2 for k, v in value.items())
        case list():
            return sum(_weight(each, depth + 1) + 1 for each in value)
        case str():
            if "\x00" in value or (not value.isascii() and _has_surrogate(value)):
                raise ValueError("Contains NUL or lone surrogates; take them out.")
            return len(value)
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124
            raise ValueError("Contains NaN or infinity, which JSON does not allow; give numbers.")
        case _:
            return len(str(value))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


PlainText = Annotated[str, AfterValidator(plain_text)]
Tenant = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_TENANT)]


# White space around a pasted name is taken off where the name is parsed, and its length looked at.
NameText = Annotated[str, Field(min_length=1, max_length=1024)]


def few_labels(labels: dict[str, str]) -> dict[str, str]:
    """Refuse labels whose keys no filter could name, or too many of them."""
    if len(labels) > MOST_LABELS:
        raise ValueError(f"Must have {MOST_LABELS} labels or fewer.")
    for key in labels:
        if not LABEL_KEY.fullmatch(key):
            raise ValueError(
                "Each key must have 1 to 63 letters, digits, dots, hyphens, underscores or slashes."
            )
    return labels


LabelValue = Annotated[PlainText, Field(max_length=MOST_LABEL_VALUE)]
Labels = Annotated[dict[str, LabelValue], AfterValidator(few_labels)]
Json = Annotated[dict[str, Any], AfterValidator(plain_json)]


def _written_out(value: Any) -> Any:
    """Refuse numbers, which Pydantic takes for the time since 1970."""
    if not isinstance(value, datetime) and not _DATE_TIME.match(str(value)):
        raise ValueError("Must be a date, time and offset, such as `2026-11-26T12:00:00Z`.")
    return value


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999, as UTC") from None


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""An instant as RFC 3339 writes it, in UTC."""


class Strict(BaseModel):
    """A schema that takes no other fields than its own."""

    model_config = ConfigDict(extra="forbid")


class FieldErrorOut(BaseModel):
    """A validation error in the body, or in a parameter of the query or header."""

    pointer: str | None = Field(
        None, description="A JSON pointer into the body; empty: the whole body."
    )
    parameter: str | None = Field(
        None, description="The name of the parameter, instead of `pointer`."
    )
    detail: str


class ProblemOut(BaseModel):
    """A problem (RFC 9457); `code` is stable."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:nameplate:problem:hostname_is_ip",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "Give a hostname, not an IP address.",
                    "code": "hostname_is_ip",
                    "errors": [
                        {
                            "pointer": "/hostname",
                            "detail": "Give a hostname, not an IP address.",
                        }
                    ],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldErrorOut] | None = None
    custom_hostname_id: str | None = Field(
        default=None, description="With `already_exists`: the hostname that exists."
    )
