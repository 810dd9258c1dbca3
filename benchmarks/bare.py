"""The minimal baseline: bare Starlette routes, the same queries, a bare asyncpg pool."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.persistence.fast_path_reads import CUSTOM_HOSTNAME, RESOLVED


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


async def resolve(request: Request) -> Response:
    """Put the columns into JSON, as they are. The name is taken as it comes."""
    name = request.query_params["hostname"]
    row = await request.app.state.pool.fetchrow(RESOLVED, name, f"*.{name.partition('.')[2]}")
    if row is None:
        return Response(status_code=404)
    record_id, hostname, tenant, state, redirect_to, metadata = row
    return Response(
        f'{{"id":"{record_id}","hostname":"{hostname}","tenant":"{tenant}","state":"{state}",'
        f'"redirect_to":"{redirect_to}","metadata":{metadata}}}',
        media_type="application/json",
    )


app = Starlette(
    routes=[
        Route("/v1/custom-hostnames/{id}", get_one, methods=["GET"]),
        Route("/v1/resolve", resolve, methods=["GET"]),
    ],
    lifespan=lifespan,
)
