"""Webhook endpoints of tenants and operators. The signing secret is shown once.

`persistence/webhook_endpoints` stores them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from app.domain.errors import (
    ErrorCode,
    InvalidInput,
    NotFound,
    TenantBoundKey,
    WebhookRefused,
)
from app.domain.events import EventType, ZoneEventType
from app.persistence import webhook_endpoints as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.webhook_endpoints import WebhookEndpoint
from app.services.ports import Cipher, WebhookTransport


async def _accept(_tx: Connection, _endpoint: WebhookEndpoint, _secret: str) -> None:
    """Accept a request that has no Idempotency-Key."""


class WebhookEndpoints:
    """The use cases of webhook endpoints."""

    def __init__(
        self,
        database: Database,
        transport: WebhookTransport,
        cipher: Cipher,
        *,
        new_secret: Callable[[], str],
    ) -> None:
        self._database = database
        self._transport = transport
        self._cipher = cipher
        self._new_secret = new_secret

    async def create(
        self,
        url: str,
        *,
        event_types: Sequence[str],
        tenant: str | None,
        is_tenants_own: bool = False,
        accept: Callable[[Connection, WebhookEndpoint, str], Awaitable[None]] = _accept,
    ) -> tuple[WebhookEndpoint, str]:
        """Add an endpoint. Return it with its secret, which is never shown again.

        `is_tenants_own`: a key that is bound to the tenant asks for it.

        Raises:
            InvalidInput: the URL may not be called, or an event type does not exist.
        """
        self._check(url, event_types)
        secret = self._new_secret()
        async with self._database.transaction() as tx:
            endpoint = WebhookEndpoint(
                id=new_id(Prefix.ENDPOINT),
                url=url,
                event_types=tuple(dict.fromkeys(event_types)),
                tenant=tenant,
                secret=self._cipher.encrypt(secret),
                is_tenants_own=is_tenants_own,
                created_at=await read_now(tx),
            )
            await store.insert_endpoint(tx, endpoint)
            await accept(tx, endpoint, secret)
        return endpoint, secret

    async def get(self, endpoint_id: str) -> WebhookEndpoint:
        """Return one endpoint.

        Raises:
            NotFound: no endpoint has this id.
        """
        async with self._database.transaction() as tx:
            endpoint = await store.get_endpoint(tx, endpoint_id)
        if endpoint is None:
            raise _unknown()
        return endpoint

    async def require_own(self, endpoint_id: str, tenant: str) -> None:
        """Check that the endpoint is this tenant's own.

        Raises:
            NotFound: no endpoint has this id, it is another tenant's, or it is not the tenant's
                own: what an admin added for it may be the provider's.
            TenantBoundKey: it gets the events of all tenants.
        """
        endpoint = await self.get(endpoint_id)
        if endpoint.tenant is None:
            raise TenantBoundKey(
                "This webhook endpoint gets the events of all tenants; use a key without a tenant."
            )
        if endpoint.tenant != tenant or not endpoint.is_tenants_own:
            raise _unknown()

    async def list_page(
        self, *, own_of: str | None = None, after: str | None, limit: int
    ) -> list[WebhookEndpoint]:
        """Return endpoints, newest first: a tenant's own, or all."""
        async with self._database.transaction() as tx:
            return await store.list_endpoints(tx, own_of=own_of, after=after, limit=limit)

    async def delete(self, endpoint_id: str) -> None:
        """Close an endpoint and cancel its pending deliveries.

        Raises:
            NotFound: no endpoint has this id.
        """
        if not await self._database.run(partial(store.delete_endpoint, endpoint_id=endpoint_id)):
            raise _unknown()

    def _check(self, url: str, event_types: Sequence[str]) -> None:
        try:
            self._transport.check(url)
        except WebhookRefused as error:
            raise InvalidInput(error.detail, code=error.code, field="/url") from None
        known = {str(event_type) for event_type in (*EventType, *ZoneEventType)}
        for index, event_type in enumerate(event_types):
            if event_type not in known:
                raise InvalidInput(
                    f"Unknown event type {event_type[:64]!r}; "
                    f"choose from {', '.join(sorted(known))}.",
                    code=ErrorCode.EVENT_TYPE_UNKNOWN,
                    field=f"/event_types/{index}",
                )


def _unknown() -> NotFound:
    return NotFound("Webhook endpoint not found.")
