"""What routes ask for: the services, a scope, an id, a page, and a revision to compare."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_origin

from fastapi import Depends, Header, Path, Query, params
from fastapi.dependencies.utils import get_flat_params
from starlette.requests import Request

from app.api.schemas import ProblemOut
from app.bootstrap import Services
from app.domain.errors import InvalidInput, NotFound
from app.services.api_keys import Scope
from app.web.caller import Requires

ID = re.compile(r"[a-z0-9_]{1,64}")
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})\.\d{1,9}\.\d{1,9}"')

Read = Depends(Requires(Scope.READ))
Write = Depends(Requires(Scope.WRITE))
Admin = Depends(Requires(Scope.ADMIN))


def services(request: Request) -> Services:
    """Give this process's services."""
    found: Services = request.app.state.services
    return found


def known_id(id: Annotated[str, Path(description="The id, as the API returned it.")]) -> str:  # noqa: A002
    """Refuse what no id looks like, before anybody is asked for it."""
    if not ID.fullmatch(id):
        raise NotFound("Resource not found; check the id.")
    return id


def known_query(request: Request) -> None:
    """Refuse a query that the route does not know: `?tenent=` must not list everybody's."""
    fields = get_flat_params(request.scope["route"].dependant)
    queries = [field for field in fields if isinstance(field.field_info, params.Query)]
    known = {field.alias for field in queries}
    lists = {f.alias for f in queries if get_origin(f.field_info.annotation) is list}
    for name in request.query_params:
        is_repeated = name not in lists and len(request.query_params.getlist(name)) > 1
        if name not in known or is_repeated:
            has = ", ".join(f"`{each}`" for each in sorted(known)) or "none"
            said = f"Unknown query parameter; {request.url.path} has {has}."
            raise InvalidInput(
                "The query parameter is repeated; give it once." if name in known else said,
                code="query_unknown",
                parameter=name[:100],
            )


def if_match(
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
            code="etag_invalid",
            parameter="If-Match",
        )
    return int(found[1])


KnownQuery = Depends(known_query)
ServicesDep = Annotated[Services, Depends(services)]
IdDep = Annotated[str, Depends(known_id)]
RevisionDep = Annotated[int | None, Depends(if_match)]
Limit = Annotated[int, Query(ge=1, le=100, description="The maximum number of items to return.")]
Cursor = Annotated[
    str | None, Query(max_length=256, description="`next_cursor` of the previous page.")
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems a route may answer with, for OpenAPI."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    return {
        status: {"model": ProblemOut, "description": "A problem (RFC 9457).", "content": content}
        for status in (401, 403, 422, 429, *statuses)
    }
