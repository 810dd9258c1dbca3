"""The control API's endpoint for the forms of answers."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.control_body import Entry, merged
from sandbox.state import Sandbox


class AnswersControl:
    """The endpoint /control/cloudflare/answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        return [("/control/cloudflare/answers", "PUT", self.put)]

    async def put(self, request: Request) -> JSONResponse:
        """Let answers have other documented forms; settings left out stay."""
        forms = self._sandbox.forms
        forms.set(await merged(forms.settings, request))
        return JSONResponse(forms.settings.model_dump())
