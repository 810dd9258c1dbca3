"""The control API's endpoint for the API token."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.control_body import Entry, merged
from sandbox.state import Sandbox


class TokenControl:
    """The endpoint /control/cloudflare/token."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        return [("/control/cloudflare/token", "PUT", self.put)]

    async def put(self, request: Request) -> JSONResponse:
        """Let the token be another's, be refused, or be good again; settings left out stay."""
        token = self._sandbox.token
        token.set(await merged(token.settings, request))
        return JSONResponse(token.settings.model_dump())
