"""What all endpoints of the control API share: bodies read, errors shown."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.dns_zone import BadRecordError
from sandbox.model import CustomHostname

Endpoint = Callable[[Request], Awaitable[JSONResponse]]
Entry = tuple[str, Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Endpoint]
_Model = TypeVar("_Model", bound=BaseModel)


class NoSuchHostnameError(LookupError):
    """No custom hostname has the id of the path."""


def routes(table: list[Entry]) -> list[Route]:
    """Return the routes of a table of paths, methods and endpoints."""
    return [Route(path, endpoint, methods=[method]) for path, method, endpoint in table]


async def merged(current: _Model, request: Request) -> _Model:
    """Return the settings with those given changed; what is left out stays as it was."""
    given = await json_body(request)
    return type(current).model_validate({**current.model_dump(), **given})


async def json_body(request: Request) -> dict[str, Any]:
    """Return a body that has to be a JSON object; raises BadRecordError."""
    try:
        given = json.loads(await request.body())
    except ValueError:
        raise BadRecordError("the body is no JSON") from None
    if not isinstance(given, dict):
        raise BadRecordError("the body is no JSON object")
    return given


async def unprocessable(_: Request, error: Exception) -> JSONResponse:
    """Answer what is impossible."""
    return JSONResponse({"error": str(error)}, status_code=422)


async def not_found(_: Request, __: Exception) -> JSONResponse:
    """Answer that there is no such custom hostname."""
    return JSONResponse({"error": "no such custom hostname"}, status_code=404)


def found(hostname: CustomHostname | None) -> CustomHostname:
    """Return a custom hostname that has to be there."""
    if hostname is None:
        raise NoSuchHostnameError
    return hostname
