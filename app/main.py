"""The ASGI application, and how a process serves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from app import __version__
from app.api import (
    api_keys,
    custom_hostnames,
    dangling,
    deliveries,
    diagnosis,
    events,
    health,
    hostname_lists,
    summary,
    webhook_endpoints,
    zones,
)
from app.api.dependencies import KnownQuery
from app.api.event_stream import Streams
from app.api.fast_path import FastPath
from app.api.openapi import add_openapi
from app.api.reference import add_reference
from app.bootstrap import Services, no_checkpoint, open_services
from app.services.api_keys import ApiKeys
from app.services.reconciler.tick import Checkpoint
from app.settings import Settings
from app.tracing.spans import traced_app
from app.web.errors import add_error_handlers
from app.web.middleware import RequestMiddleware
from app.web.request_limits import NO_LIMITS, RequestLimits
from app.web.serve import serve

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 3.0
"""For reconciles that outlived their request; after the server's own grace."""


def new_app(*, public_url: str = "") -> FastAPI:
    """Build the routes and their OpenAPI document, without anything to serve them with."""
    app = FastAPI(
        title="Nameplate",
        version=__version__,
        redoc_url=None,
        docs_url=None,
        # A redirect would be built from the Host header, and carry the key there.
        redirect_slashes=False,
    )
    app.state.public_url = public_url
    modules = (
        custom_hostnames,
        hostname_lists,
        dangling,
        diagnosis,
        events,
        summary,
        webhook_endpoints,
        deliveries,
        zones,
        api_keys,
        health,
    )
    for module in modules:
        app.include_router(module.router, dependencies=[KnownQuery])
    add_error_handlers(app)
    add_openapi(app)
    add_reference(app)
    # Now, so that no request waits for it.
    app.openapi()
    return app


def create_app(
    services: Services,
    limits: RequestLimits = NO_LIMITS,
    *,
    stop: asyncio.Event | None = None,
    public_url: str = "",
) -> ASGIApp:
    """Build the application over open services: the front, the fast-path reads, then FastAPI.

    Streams end once `stop` is set.
    """
    app = new_app(public_url=public_url)
    app.state.services = services
    app.state.diagnosis_limit = diagnosis.new_limit()
    app.state.streams = Streams(services.feed, stop or asyncio.Event())
    return traced_app(RequestMiddleware(FastPath(app, services), limits))


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
        async with services.feed.watching(), _keeping_up(services.api_keys):
            await serve(
                create_app(
                    services,
                    limits_of(settings),
                    stop=stop,
                    public_url=settings.public_url or "",
                ),
                sock,
                stop,
                started=started,
                trusted_proxies=settings.trusted_proxies,
            )
        await services.inline.drain(DRAIN_SECONDS)


def limits_of(settings: Settings) -> RequestLimits:
    """What the settings allow requests."""
    return RequestLimits(
        seconds=settings.request_timeout.total_seconds(),
        body_seconds=settings.body_timeout.total_seconds(),
        at_once=settings.requests_at_once,
    )


@asynccontextmanager
async def _keeping_up(api_keys: ApiKeys) -> AsyncIterator[None]:
    """Follow revocations, and write when keys were used, beside the server."""
    tasks = [
        asyncio.create_task(api_keys.follow_revocations(), name="revocations"),
        asyncio.create_task(api_keys.write_uses_regularly(), name="uses of API keys"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
