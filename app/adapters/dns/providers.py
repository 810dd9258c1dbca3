"""The list of DNS providers, from `providers.json` beside this file or from a file of one's own.

`docs/dns-providers.md` says what its fields mean, and how to update it.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from app.domain.diagnosis.provider import Provider
from app.domain.errors import NotReady

PLACEHOLDERS = frozenset({"{type}", "{host}", "{value}"})
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be an https URL")
    return url


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error:
        raise ValueError("must be a regular expression") from None
    return text


def _step(text: str) -> str:
    if not set(_BRACES.findall(text)) <= PLACEHOLDERS:
        raise ValueError("may have the placeholders {type}, {host} and {value} alone")
    return text


_Https = Annotated[str, AfterValidator(_https)]
_Text = Annotated[str, Field(min_length=1)]
_Suffix = Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+[a-z0-9-]+$")]


class _Entry(BaseModel):
    """One provider in the file: the fields of `Provider`, and where they come from."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    name: _Text
    name_servers: tuple[_Suffix, ...]
    pattern: Annotated[str, AfterValidator(_regular_expression)] | None = None
    serves_others: bool = False
    dns_page: _Https
    flattens_apex: bool
    apex_record: _Text | None = None
    appends_domain: bool = True
    apex_host: str = "@"
    steps: Annotated[
        tuple[Annotated[_Text, AfterValidator(_step)], ...], Field(min_length=2, max_length=6)
    ]
    sources: Annotated[tuple[_Https, ...], Field(min_length=1)]
    checked: date
    unsure: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.name_servers and self.pattern is None:
            raise ValueError("must have name_servers or a pattern")
        if self.flattens_apex != (self.apex_record is not None):
            raise ValueError("must have an apex_record exactly where flattens_apex is true")
        return self

    def provider(self) -> Provider:
        """Return the part that a diagnosis reads."""
        return Provider(**self.model_dump(exclude={"sources", "checked", "unsure"}))


_FILE = TypeAdapter(tuple[_Entry, ...])


@cache
def load_providers(file: Path | None = None) -> tuple[Provider, ...]:
    """Read the list once. A file of one's own replaces the list that is shipped.

    Raises:
        NotReady: the file cannot be read, or is not of the form; the first fault on one line.
    """
    where = "providers.json" if file is None else str(file)
    try:
        if file is None:
            text = files("app.adapters.dns").joinpath(where).read_text(encoding="utf-8")
        else:
            text = file.read_text(encoding="utf-8")
        entries = _FILE.validate_json(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it must be a text in UTF-8"
        raise NotReady(f"The DNS providers' file {where} cannot be read: {reason}.") from None
    except ValidationError as error:
        raise NotReady(f"The DNS providers' file {where}: {_first_fault(error)}.") from None
    for what, values in (
        ("id", [entry.id for entry in entries]),
        ("name server", [suffix for entry in entries for suffix in entry.name_servers]),
    ):
        twice = [value for value, times in Counter(values).items() if times > 1]
        if twice:
            raise NotReady(f"The DNS providers' file {where}: the {what} {twice[0]} stands twice.")
    return tuple(entry.provider() for entry in entries)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    place = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in fault["loc"])
    said = (
        fault["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should", "must")
    )
    return " ".join(f"{place.removeprefix('.')} {said}".split()).rstrip(".")
