"""The header Idempotency-Key of a request, and the answer to it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.domain.errors import ErrorCode, InvalidInput
from app.persistence.idempotency import Call
from app.services.idempotency import HEADER, Answer

LOCATION = "Location"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def idempotent_call(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="A text of your own, such as a UUID. A request that is repeated with it "
            "within a day is not done again; its answer has `Idempotent-Replayed: true`.",
        ),
    ] = None,
) -> Call | None:
    """Read the key, and what it is used for.

    Raises:
        InvalidInput: the key is not 1 to 255 visible ASCII characters.
    """
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            "Idempotency-Key must have 1 to 255 visible ASCII characters.",
            code=ErrorCode.IDEMPOTENCY_KEY_INVALID,
            parameter=HEADER,
        )
    return Call(
        api_key_id=request.state.api_key.id,
        key=key,
        method=request.method,
        path=request.url.path,
        body_hash=_hash(await request.body()),
    )


def respond(answer: Answer, *, public_url: str = "") -> JSONResponse:
    """Build the response. Its Location begins with the public URL of this moment."""
    headers = dict(answer.headers)
    if LOCATION in headers:
        headers[LOCATION] = public_url + headers[LOCATION]
    if answer.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(answer.body, answer.status, headers)


def _hash(body: bytes) -> bytes:
    """Hash a body as canonical JSON: spaces and the order of members do not count."""
    try:
        text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return hashlib.sha256(body).digest()
    return hashlib.sha256(text.encode()).digest()


CallDep = Annotated[Call | None, Depends(idempotent_call)]
