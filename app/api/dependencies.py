"""What routes ask for: the services, a scope, an id, a page, and a revision to compare.

All of them are `async`: FastAPI would call a plain function in a thread.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query
from pydantic import BaseModel
from starlette.requests import Request

from app.bootstrap import Services
from app.domain.errors import ErrorCode, InvalidInput, NotFound
from app.persistence.ids import ID
from app.services.api_keys import Scope
from app.web.caller import Requires
from app.web.links import PageLinks

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})\.\d{1,9}\.\d{1,9}"')

Read = Depends(Requires(Scope.READ, bound=Scope.READ))
Write = Depends(Requires(Scope.WRITE, bound=Scope.WRITE))
Admin = Depends(Requires(Scope.ADMIN, bound=None))
ReadZones = Depends(Requires(Scope.READ, bound=None))
WriteEndpoints = Depends(Requires(Scope.ADMIN, bound=Scope.WRITE))


async def services(request: Request) -> Services:
    """Give this process's services."""
    found: Services = request.app.state.services
    return found


async def known_id(id: Annotated[str, Path(description="The id, as the API returned it.")]) -> str:  # noqa: A002
    """Refuse what no id looks like, before anybody is asked for it."""
    if not ID.fullmatch(id):
        raise NotFound("Resource not found; check the id.")
    return id


async def known_query(request: Request) -> None:
    """Refuse a query parameter that the contract does not have: `?tenent=` must not list all.

    Raises:
        InvalidInput: it is unknown, or given twice where one value is taken.
    """
    paths = request.app.openapi()["paths"]
    operation = paths[request.scope["route"].path][request.method.lower()]
    takes_many = {
        parameter["name"]: parameter["schema"].get("type") == "array"
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    for name in request.query_params:
        if name not in takes_many:
            known = ", ".join(f"`{each}`" for each in sorted(takes_many)) or "none"
            detail = f"Unknown query parameter; {request.url.path} has {known}."
        elif not takes_many[name] and len(request.query_params.getlist(name)) > 1:
            detail = "The query parameter is repeated; give it once."
        else:
            continue
        raise InvalidInput(detail, code=ErrorCode.QUERY_UNKNOWN, parameter=name[:100])


async def public_url(request: Request) -> str:
    """Give the URL that the API is reached by, without a slash at its end; empty if unknown."""
    found: str = request.app.state.public_url
    return found


async def page_links(request: Request) -> PageLinks:
    """Give the links of the page that is asked for."""
    query = request.query_params.multi_items()
    return PageLinks(request.app.state.public_url, request.scope["path"], query)


async def if_match(
    value: Annotated[
        str | None,
        Header(
            alias="If-Match", description="An ETag of the resource; only its revision is compared."
        ),
    ] = None,
) -> int | None:
    """Read the revision out of an ETag."""
    if value is None or value.strip() == "*":
        return None
    found = _ETAG.fullmatch(value.strip())
    if found is None:
        raise InvalidInput(
            "If-Match must be one ETag of this resource, unchanged.",
            code=ErrorCode.ETAG_INVALID,
            parameter="If-Match",
        )
    return int(found[1])


KnownQuery = Depends(known_query)
ServicesDep = Annotated[Services, Depends(services)]
IdDep = Annotated[str, Depends(known_id)]
RevisionDep = Annotated[int | None, Depends(if_match)]
PublicUrlDep = Annotated[str, Depends(public_url)]
PageLinksDep = Annotated[PageLinks, Depends(page_links)]
Limit = Annotated[int, Query(ge=1, le=100, description="The maximum number of items to return.")]
Cursor = Annotated[
    str | None, Query(max_length=256, description="`next_cursor` of the previous page.")
]


def links_of(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a page and its header Link, for OpenAPI."""
    description = 'The pages `rel="first"` and, unless this is the last, `rel="next"` (RFC 8288).'
    link = {"description": description, "schema": {"type": "string"}}
    return {"model": model, "description": "A page.", "headers": {"Link": link}}
