"""Authentication of callers: a bearer API key, and what its scope allows."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Scope as RequestScope

from app.bootstrap import Services
from app.domain.errors import Forbidden, Unauthenticated
from app.persistence.api_keys import ApiKey
from app.services.api_keys import Scope


async def authenticate(
    services: Services, authorization: str | None, needed: Scope, *, address: str
) -> ApiKey:
    """Return the caller's key. `address` is the caller's, or its proxy's.

    Raises:
        TooManyFailedKeys: too many unknown keys came from the address.
        Unauthenticated: the key is missing, unknown or revoked.
        Forbidden: its scope does not reach as far as `needed`.
    """
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("Send an API key as `Authorization: Bearer np_...`.")
    key = await services.api_keys.find(secret, address=address)
    if key is None:
        raise Unauthenticated("This API key is unknown or was revoked.")
    if not Scope(key.scope).includes(needed):
        raise Forbidden(f"This needs an API key with scope `{needed}`; yours has `{key.scope}`.")
    return key


class Requires:
    """A dependency that admits callers whose scope reaches as far as `scope`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(self, request: Request) -> None:
        """Check the request's key."""
        services: Services = request.app.state.services
        request.state.api_key = await authenticate(
            services,
            request.headers.get("authorization"),
            self._scope,
            address=address_of(request.scope),
        )


def address_of(scope: RequestScope) -> str:
    """Return the caller's address; behind a proxy that is not trusted, the proxy's."""
    client = scope.get("client")
    return str(client[0]) if client else ""
