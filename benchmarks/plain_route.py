"""The baseline for answering in front of FastAPI: the same answer, given by a FastAPI route.

Everything else is the service's own: middleware, authentication, query and pool.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import Response

from app.api.dependencies import IdDep, Read, ServicesDep
from app.bootstrap import open_services
from app.persistence.fast_path_reads import read_document
from app.settings import load_settings
from app.web.errors import add_error_handlers
from app.web.middleware import RequestMiddleware


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the services as the API does."""
    async with open_services(load_settings()) as services:
        app.state.services = services
        yield


plain = FastAPI(lifespan=lifespan)
add_error_handlers(plain)


@plain.get("/v1/custom-hostnames/{id}", dependencies=[Read])
async def get_one(id: IdDep, services: ServicesDep) -> Response:  # noqa: A002
    """Pass the document on, with its ETag."""
    row = await read_document(services.database, id)
    if row is None:
        return Response(status_code=404)
    document, revision, sequence, view, due_at, _ = row
    due = f'"{due_at.isoformat()}"' if due_at else "null"
    headers = {"etag": f'"{revision}.{sequence}.{view}"', "cache-control": "private, no-cache"}
    body = f'{document[:-1]},"queue":null,"next_check_at":{due}}}'
    return Response(body, media_type="application/json", headers=headers)


app = RequestMiddleware(plain)
