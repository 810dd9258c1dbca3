"""Authentication of callers: a bearer API key, what its scope allows, and how often it may call."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Scope as RequestScope

from app.bootstrap import Services
from app.domain.errors import Forbidden, RateLimited, TenantBoundKey, Unauthenticated
from app.persistence.api_keys import ApiKey
from app.services.api_key_rates import RequestRate
from app.services.api_keys import Scope
from app.web.request_limits import RATE_FIELDS


async def authenticate(services: Services, authorization: str | None, *, address: str) -> ApiKey:
    """Return the caller's key. `address` is the caller's, or its proxy's.

    Raises:
        TooManyFailedKeys: too many unknown keys came from the address.
        Unauthenticated: the key is missing, unknown, revoked or expired.
    """
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("Send an API key as `Authorization: Bearer np_...`.")
    key = await services.api_keys.find(secret, address=address)
    if key is None:
        raise Unauthenticated("This API key is unknown, was revoked or has expired.")
    return key


async def admit(
    services: Services,
    scope: RequestScope,
    authorization: str | None,
    rate: RequestRate | None,
) -> ApiKey:
    """Return the key of a new request, which counts as one of the key's; `rate` limits them.

    Raises:
        RateLimited: the key has used up its requests.
        TooManyFailedKeys, Unauthenticated: see `authenticate`.
    """
    key = await authenticate(services, authorization, address=address_of(scope))
    if rate is not None:
        wait, scope[RATE_FIELDS] = rate.spend(key.id)
        if wait:
            raise RateLimited(retry_after=wait)
    return key


class Requires:
    """A dependency that admits callers whose key reaches far enough."""

    def __init__(self, scope: Scope, *, bound: Scope | None) -> None:
        """Take the scope that a key needs; `bound`: one that is bound to a tenant. None: no such.

        Routes that admit bound keys keep them to their own tenant themselves: see `api/tenancy`.
        """
        self._scope = scope
        self._bound = bound

    async def __call__(self, request: Request) -> None:
        """Check the request's key.

        Raises:
            Forbidden, TenantBoundKey: it does not reach as far.
            RateLimited, TooManyFailedKeys, Unauthenticated: see `admit`.
        """
        services: Services = request.app.state.services
        authorization = request.headers.get("authorization")
        key = await admit(services, request.scope, authorization, services.request_rate)
        needed = self._scope if key.tenant is None else self._bound
        if needed is None:
            raise TenantBoundKey(
                "This API key is bound to one tenant, and this concerns all of them; use a key "
                "without a tenant."
            )
        if not Scope(key.scope).includes(needed):
            raise Forbidden(
                f"This needs an API key with scope `{needed}`; yours has `{key.scope}`."
            )
        request.state.api_key = key


def address_of(scope: RequestScope) -> str:
    """Return the caller's address; behind a proxy that is not trusted, the proxy's."""
    client = scope.get("client")
    return str(client[0]) if client else ""
