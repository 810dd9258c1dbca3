"""The control API's endpoints for what happens to one custom hostname behind Cloudflare's API."""

import json
from typing import Any

from pydantic import BaseModel, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox import views
from sandbox.control_body import Entry, found, json_body
from sandbox.dns_zone import BadRecordError
from sandbox.state import Sandbox


class _Forced(BaseModel):
    status: str | None = None
    ssl_status: str | None = None
    verification_errors: list[str] | None = None
    validation_errors: list[str] | None = None

    @field_validator("validation_errors", mode="before")
    @classmethod
    def _texts(cls, errors: Any) -> Any:
        """Take Cloudflare's own shape, objects with a message, as well as texts."""
        if not isinstance(errors, list):
            return errors
        return [item.get("message") if isinstance(item, dict) else item for item in errors]


class HostnameControl:
    """The endpoints at and below /control/cloudflare/custom_hostnames."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def table(self) -> list[Entry]:
        """Return the paths."""
        hostname = "/control/cloudflare/custom_hostnames/{id}"
        return [
            ("/control/cloudflare/custom_hostnames", "POST", self.create),
            (hostname, "PATCH", self.force),
            (hostname, "DELETE", self.remove),
            (f"{hostname}/approve", "POST", self.approve),
            (f"{hostname}/renew", "POST", self.renew),
            (f"{hostname}/answer", "PUT", self.answer),
        ]

    async def create(self, request: Request) -> JSONResponse:
        """Make a custom hostname by hand, as in the dashboard: the limits do not count it."""
        body = {"ssl": {"method": "http", "type": "dv"}, **await json_body(request)}
        hostname = self._sandbox.requests.new(body)
        self._sandbox.lifecycle.begin(hostname)
        return JSONResponse(views.custom_hostname(hostname))

    async def answer(self, request: Request) -> JSONResponse:
        """Show a custom hostname otherwise than it is, until an empty patch comes."""
        hostname = found(self._sandbox.hostnames.get(request.path_params["id"]))
        try:
            patch = json.loads(await request.body())
        except ValueError:
            raise BadRecordError("the body is no JSON") from None
        self._sandbox.odd_answers.set(hostname.id, patch, request.query_params.getlist("null"))
        return JSONResponse(self._sandbox.answers.read(hostname))

    async def force(self, request: Request) -> JSONResponse:
        """Set statuses and errors of a custom hostname until its next refresh."""
        asked = _Forced.model_validate_json(await request.body())
        hostname = found(self._sandbox.hostnames.get(request.path_params["id"]))
        lifecycle = self._sandbox.lifecycle
        if (asked.status, asked.verification_errors) != (None, None):
            lifecycle.force_hostname(hostname, asked.status, asked.verification_errors)
        if (asked.ssl_status, asked.validation_errors) != (None, None):
            lifecycle.force_certificate(hostname, asked.ssl_status, asked.validation_errors)
        return JSONResponse(views.custom_hostname(hostname))

    async def remove(self, request: Request) -> JSONResponse:
        """Let a custom hostname be gone behind everybody's back."""
        hostname = found(self._sandbox.hostnames.get(request.path_params["id"]))
        self._sandbox.lifecycle.remove(hostname)
        return JSONResponse({"id": hostname.id})

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
