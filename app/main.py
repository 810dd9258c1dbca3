"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import __version__
from app.api import custom_hostnames, health, webhook_endpoints, zones
from app.api.hot import HOT_ROUTES
from app.api.openapi import add_openapi
from app.bootstrap import no_checkpoint, open_services
from app.services.reconcile import Checkpoint
from app.settings import Settings
from app.web.errors import add_error_handlers
from app.web.middleware import Front

DRAIN_SECONDS = 8.0
"""For reconciles that outlived their request; with closing, a SIGTERM takes under ten seconds."""


def create_app(settings: Settings, *, checkpoint: Checkpoint = no_checkpoint) -> FastAPI:
    """Build the application; its services open and close with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, checkpoint=checkpoint) as services:
            app.state.services = services
            yield
            await services.custom_hostnames.drain(DRAIN_SECONDS)

    app = FastAPI(
        title="Nameplate", version=__version__, lifespan=lifespan, redoc_url=None, docs_url=None
    )
    app.router.routes[:0] = HOT_ROUTES
    for module in (custom_hostnames, webhook_endpoints, zones, health):
        app.include_router(module.router)
    add_error_handlers(app)
    add_openapi(app)
    app.add_middleware(Front)
    return app
