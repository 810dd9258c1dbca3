"""The minimal baseline: a bare Starlette route, the same query, a bare asyncpg pool."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.persistence.hot_reads import CUSTOM_HOSTNAME


async def leave_as_it_is(_: object) -> None:
    """Return a connection to the pool untouched, as the service does."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the pool as the service does."""
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=0, max_size=4, reset=leave_as_it_is
    ) as pool:
        app.state.pool = pool
        yield


async def get_one(request: Request) -> Response:
    """Pass the document on unchanged."""
    row = await request.app.state.pool.fetchrow(CUSTOM_HOSTNAME, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    return Response(row["document"], media_type="application/json")


app = Starlette(
    routes=[Route("/v1/custom-hostnames/{id}", get_one, methods=["GET"])], lifespan=lifespan
)
