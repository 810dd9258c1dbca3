"""The control API's endpoints for a large zone: load, change and remove many names at once."""

import time
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.control_body import Entry
from sandbox.seeding import Statuses
from sandbox.seeds import Family
from sandbox.state import Sandbox

_MOST = 10_000_000
_LABELS = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


class _Named(BaseModel):
    prefix: str = Field(default="seed", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=50)
    domain: str = Field(default="seeded-shops.com", pattern=_LABELS, max_length=150)

    @property
    def family(self) -> Family:
        return Family(self.prefix, self.domain)


class _Load(_Named):
    count: int = Field(ge=1, le=_MOST)
    start: int = Field(default=0, ge=0, le=_MOST)
    hostname_status: str = Field(default="active", min_length=1)
    ssl_status: str = Field(default="active", min_length=1)


class _Range(BaseModel):
    first: int = Field(alias="from", ge=0)
    last: int = Field(alias="to", le=2 * _MOST)


class _Chosen(_Named):
    numbers: list[int] | _Range | None = None
    first: int | None = Field(default=None, alias="from", ge=0)
    last: int | None = Field(default=None, alias="to", le=2 * _MOST)

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if (self.numbers is None) == (self.first is None or self.last is None):
            raise ValueError("either numbers, or from and to, are needed")
        return self

    def chosen(self) -> Iterable[int]:
        """Return the numbers; `to` is one of them."""
        if isinstance(self.numbers, list):
            return sorted(set(self.numbers))
        if self.numbers:
            return range(self.numbers.first, self.numbers.last + 1)
        return range(self.first or 0, (self.last or 0) + 1)


class _Restate(_Chosen):
    hostname_status: str | None = Field(default=None, min_length=1)
    ssl_status: str | None = Field(default=None, min_length=1)


class SeedControl:
    """The endpoints under /control/cloudflare/seed. All answer how many names and seconds."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        return [
            ("/control/cloudflare/seed", "POST", self.load),
            ("/control/cloudflare/seed/status", "POST", self.restate),
            ("/control/cloudflare/seed/remove", "POST", self.remove),
        ]

    async def load(self, request: Request) -> JSONResponse:
        """Load names that nothing happens to until somebody changes them."""
        asked = _Load.model_validate_json(await request.body())
        began = time.perf_counter()
        self._sandbox.seeding.load(
            asked.family,
            start=asked.start,
            count=asked.count,
            status=asked.hostname_status,
            ssl_status=asked.ssl_status,
        )
        return _done(asked.count, began)

    async def restate(self, request: Request) -> JSONResponse:
        """Set statuses of many; those that are not there are passed over."""
        asked = _Restate.model_validate_json(await request.body())
        began = time.perf_counter()
        statuses = Statuses(asked.hostname_status, asked.ssl_status)
        return _done(self._sandbox.seeding.restate(asked.family, asked.chosen(), statuses), began)

    async def remove(self, request: Request) -> JSONResponse:
        """Let many be gone; those that are not there are passed over."""
        asked = _Chosen.model_validate_json(await request.body())
        began = time.perf_counter()
        return _done(self._sandbox.seeding.remove(asked.family, asked.chosen()), began)


def _done(count: int, began: float) -> JSONResponse:
    return JSONResponse({"count": count, "seconds": round(time.perf_counter() - began, 3)})
