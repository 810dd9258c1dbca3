"""`/docs`: the reference of the API, drawn by Swagger UI from `/openapi.json`.

`assets` has Swagger UI 5.35.0 as its makers distribute it (`swagger-ui-dist`), and what is ours:
the page, how it starts, and a few styles. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

ASSETS = Path(__file__).parent / "assets"
PAGE = ASSETS / "index.html"
# Swagger UI sets styles on its elements, and draws its icons from `data:` addresses.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_CACHE_CONTROL = "no-cache"
"""Browsers ask each time whether a file has changed: an upgrade shows at once."""


class _Assets(StaticFiles):
    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = _CACHE_CONTROL
        return response


def add_reference(app: FastAPI) -> None:
    """Serve the page and its assets. Both are public, as the document itself is."""

    async def show() -> FileResponse:
        headers = {"content-security-policy": CONTENT_POLICY, "cache-control": _CACHE_CONTROL}
        return FileResponse(PAGE, headers=headers)

    app.add_api_route("/docs", show, include_in_schema=False)
    app.mount("/docs/assets", _Assets(directory=ASSETS), name="assets")
