"""The control API's endpoints for what happens to certificates outside Cloudflare's API."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from app.sandbox import views
from app.sandbox.control_body import Entry, found
from app.sandbox.state import Sandbox


class CertificateControl:
    """The endpoints below /control/cloudflare/custom_hostnames/{id}."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        hostname = "/control/cloudflare/custom_hostnames/{id}"
        return [
            (f"{hostname}/approve", "POST", self.approve),
            (f"{hostname}/renew", "POST", self.renew),
        ]

    async def approve(self, request: Request) -> JSONResponse:
        """Press the button in the authority's e-mail."""
        hostname = found(self._sandbox.hostnames.get(request.path_params["id"]))
        self._sandbox.lifecycle.approve(hostname)
        return JSONResponse(views.custom_hostname(hostname))

    async def renew(self, request: Request) -> JSONResponse:
        """Begin to renew a certificate that is not due yet."""
        hostname = found(self._sandbox.hostnames.get(request.path_params["id"]))
        self._sandbox.lifecycle.renew(hostname)
        return JSONResponse(views.custom_hostname(hostname))
