"""The ASGI application, and how a process serves it."""

from __future__ import annotations

import asyncio
import socket

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from app import __version__
from app.api import custom_hostnames, health, hostname_lists, webhook_endpoints, zones
from app.api.dependencies import KnownQuery
from app.api.hot import HotReads
from app.api.openapi import add_openapi
from app.bootstrap import Services, no_checkpoint, open_services
from app.services.reconciler.tick import Checkpoint
from app.settings import Settings
from app.tracing.spans import traced_app
from app.web.errors import add_error_handlers
from app.web.middleware import RequestMiddleware
from app.web.serve import serve

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 3.0
"""For reconciles that outlived their request; after the server's own grace."""


def create_app(services: Services, *, public_url: str = "") -> ASGIApp:
    """Build the application over open services: the front, the hot reads, then FastAPI."""
    app = FastAPI(
        title="Nameplate",
        version=__version__,
        redoc_url=None,
        docs_url=None,
        # A redirect would be built from the Host header, and carry the key there.
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.public_url = public_url
    for module in (custom_hostnames, hostname_lists, webhook_endpoints, zones, health):
        app.include_router(module.router, dependencies=[KnownQuery])
    add_error_handlers(app)
    add_openapi(app)
    # Now, so that no request waits for it.
    app.openapi()
    return traced_app(RequestMiddleware(HotReads(app, services)))


async def serve_api(
    settings: Settings,
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    started: asyncio.Event | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> None:
    """Serve the API until `stop` is set, then drain.

    Raises:
        NotReady: the schema is too old, or a setting does not fit.
    """
    named = open_services(settings, application_name="nameplate-api", checkpoint=checkpoint)
    async with named as services:
        host, port, *_ = sock.getsockname()
        log.info("api_started", host=host, port=port, version=__version__)
        await serve(
            create_app(services, public_url=settings.public_url or ""),
            sock,
            stop,
            started=started,
            trusted_proxies=settings.trusted_proxies,
        )
        await services.custom_hostnames.drain(DRAIN_SECONDS)
