"""The control API: the hand that moves tenants' DNS, clocks, faults and limits.

For whoever drives the sandbox; the emulated Cloudflare and its clients know nothing of it.
"""

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.account_control import AccountControl
from sandbox.answers_control import AnswersControl
from sandbox.certificate_course import NothingToDoError
from sandbox.clock import rfc3339
from sandbox.control_body import (
    Entry,
    NoSuchHostnameError,
    merged,
    not_found,
    routes,
    unprocessable,
)
from sandbox.dns_zone import DEFAULT_TTL, BadRecordError, Fault, RRset
from sandbox.envelope import ApiError
from sandbox.holds_control import HoldsControl
from sandbox.hostname_control import HostnameControl
from sandbox.seed_control import SeedControl
from sandbox.seeds import SeedTakenError
from sandbox.state import Sandbox
from sandbox.token_control import TokenControl

_IMPOSSIBLE = (ValidationError, BadRecordError, NothingToDoError, SeedTakenError, ApiError)


class _Records(BaseModel):
    name: str = Field(min_length=1)
    type: str = Field(pattern=r"^[A-Za-z0-9]+$")
    values: list[str] = Field(min_length=1)
    ttl: int = Field(default=DEFAULT_TTL, ge=0, le=604_800)
    proxied: bool = False


class _RecordKey(BaseModel):
    name: str = Field(min_length=1)
    type: str


class _DnsFault(BaseModel):
    name: str = Field(min_length=1)
    fault: Fault


class _Advance(BaseModel):
    seconds: float = Field(ge=0, le=10_000_000_000)


class _ClockSettings(BaseModel):
    speed: float | None = Field(default=None, gt=0, le=10_000_000)
    frozen: bool | None = None


class Control:
    """The endpoints under /control."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def app(self) -> Starlette:
        """Return the application."""
        table: list[Entry] = [
            ("/control/dns/records", "PUT", self.put_records),
            ("/control/dns/records", "DELETE", self.delete_records),
            ("/control/dns/faults", "PUT", self.put_dns_fault),
            ("/control/clock/advance", "POST", self.advance),
            ("/control/clock", "PUT", self.put_clock),
            ("/control/clock", "GET", self.get_clock),
            ("/control/cloudflare/faults", "PUT", self.put_faults),
            ("/control/cloudflare/limits", "PUT", self.put_limits),
            ("/control/cloudflare/calls", "GET", self.get_calls),
            ("/control/receiver", "PUT", self.put_receiver),
            ("/control/receiver/deliveries", "GET", self.get_deliveries),
            ("/control/reset", "POST", self.reset),
        ]
        parts = (
            AccountControl,
            AnswersControl,
            HoldsControl,
            HostnameControl,
            SeedControl,
            TokenControl,
        )
        for part in parts:
            table += part(self._sandbox).table()
        return Starlette(
            routes=routes(table),
            exception_handlers={
                **dict.fromkeys(_IMPOSSIBLE, unprocessable),
                NoSuchHostnameError: not_found,
            },
        )

    async def put_records(self, request: Request) -> JSONResponse:
        """Set all data of one type at one name."""
        asked = _Records.model_validate_json(await request.body())
        rrset = RRset(asked.name, asked.type.upper(), tuple(asked.values), asked.ttl, asked.proxied)
        for displaced in self._sandbox.tenant_records.put(rrset):
            self._sandbox.zone_records.forget(displaced.name, displaced.type)
        return JSONResponse(asked.model_dump())

    async def delete_records(self, request: Request) -> JSONResponse:
        """Remove all data of one type at one name."""
        asked = _RecordKey.model_validate_json(await request.body())
        deleted = self._sandbox.tenant_records.remove(asked.name, asked.type.upper())
        self._sandbox.zone_records.forget(asked.name, asked.type.upper())
        return JSONResponse({**asked.model_dump(), "deleted": deleted})

    async def put_dns_fault(self, request: Request) -> JSONResponse:
        """Let questions for a name fail, or answer again."""
        asked = _DnsFault.model_validate_json(await request.body())
        self._sandbox.tenant_records.set_fault(asked.name, asked.fault)
        return JSONResponse(asked.model_dump())

    async def advance(self, request: Request) -> JSONResponse:
        """Let wall time pass; what falls due by then has happened when this answers."""
        asked = _Advance.model_validate_json(await request.body())
        await self._sandbox.advance(asked.seconds)
        return await self.get_clock(request)

    async def put_clock(self, request: Request) -> JSONResponse:
        """Run schedule time at another speed, freeze both clocks or let them go."""
        asked = _ClockSettings.model_validate_json(await request.body())
        self._sandbox.set_clock(speed=asked.speed, frozen=asked.frozen)
        return await self.get_clock(request)

    async def get_clock(self, _: Request) -> JSONResponse:
        """Say what time it is."""
        clock = self._sandbox.clock
        return JSONResponse(
            {
                "wall": rfc3339(clock.wall()),
                "schedule_seconds": clock.schedule(),
                "speed": clock.state.speed,
                "frozen": clock.is_frozen,
            }
        )

    async def put_faults(self, request: Request) -> JSONResponse:
        """Let a share of the calls fail."""
        injector = self._sandbox.faults
        faults = await merged(injector.faults, request)
        if unknown := set(faults.routes or ()) - self._sandbox.gateway.route_names:
            raise BadRecordError(f"no such routes: {', '.join(sorted(unknown))}")
        injector.set(faults)
        return JSONResponse(injector.faults.model_dump())

    async def put_limits(self, request: Request) -> JSONResponse:
        """Allow more or fewer calls and creations."""
        limits = self._sandbox.limits
        limits.set_limits(await merged(limits.limits, request))
        return JSONResponse(limits.limits.model_dump())

    async def get_calls(self, _: Request) -> JSONResponse:
        """Say which calls were made, and how many past the limit."""
        limits = self._sandbox.limits
        return JSONResponse(
            {
                "total": limits.by_route.total(),
                "by_route": dict(limits.by_route),
                "breaches": limits.breaches,
                "creations_refused": limits.creations_refused,
                "most_in_window": limits.most_in_window,
                "most_creations_in_window": limits.most_creations_in_window,
            }
        )

    async def put_receiver(self, request: Request) -> JSONResponse:
        """Let the webhook receiver answer otherwise, or know other secrets."""
        receiver = self._sandbox.receiver
        receiver.configure(await merged(receiver.config, request))
        return JSONResponse(receiver.config.model_dump())

    async def get_deliveries(self, _: Request) -> JSONResponse:
        """Return what the receiver was sent, oldest first."""
        return JSONResponse(self._sandbox.receiver.deliveries)

    async def reset(self, _: Request) -> JSONResponse:
        """Go back to the state of the first start."""
        await self._sandbox.reset()
        return JSONResponse({"reset": True})
