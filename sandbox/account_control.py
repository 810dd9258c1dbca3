"""The control API's endpoint for what the account may do."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.control_body import Entry, merged
from sandbox.state import Sandbox


class AccountControl:
    """The endpoint /control/cloudflare/account."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        return [("/control/cloudflare/account", "PUT", self.put)]

    async def put(self, request: Request) -> JSONResponse:
        """Let the account have more or fewer rights; settings left out stay."""
        account = self._sandbox.account
        account.set(await merged(account.settings, request))
        cap = account.hard_cap(self._sandbox.hostnames.seeded)
        return JSONResponse({**account.settings.model_dump(), "hard_cap": cap})
