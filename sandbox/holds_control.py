"""The control API's endpoints for zone holds and abuse blocks."""

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.control_body import Entry
from sandbox.state import Sandbox


class _Hold(BaseModel):
    domain: str = Field(min_length=1)
    held: bool


class _Block(BaseModel):
    hostname: str = Field(min_length=1)
    blocked: bool


class HoldsControl:
    """The endpoints /control/cloudflare/holds and /control/cloudflare/blocks."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        return [
            ("/control/cloudflare/holds", "PUT", self.hold),
            ("/control/cloudflare/blocks", "PUT", self.block),
        ]

    async def hold(self, request: Request) -> JSONResponse:
        """Hold a tenant's own zone, or release it; names are looked at when they are due."""
        asked = _Hold.model_validate_json(await request.body())
        self._sandbox.holds.hold(asked.domain, held=asked.held)
        return JSONResponse(asked.model_dump())

    async def block(self, request: Request) -> JSONResponse:
        """Flag a hostname for abuse, or clear it; it is looked at when it is due."""
        asked = _Block.model_validate_json(await request.body())
        self._sandbox.holds.flag(asked.hostname, blocked=asked.blocked)
        return JSONResponse(asked.model_dump())
