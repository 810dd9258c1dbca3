"""Webhook endpoints of tenants and operators. A signing secret is shown once.

`persistence/webhook_endpoints` stores them; `services/delivery_history` shows what they got.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.errors import (
    Conflict,
    ErrorCode,
    InvalidInput,
    NotFound,
    TenantBoundKey,
    WebhookRefused,
)
from app.domain.events import EVENT_TYPES
from app.domain.webhook_endpoint import SELECTORS, DisabledReason, Signing
from app.persistence import deliveries
from app.persistence import webhook_endpoints as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.wakeups import Channel, notify
from app.persistence.webhook_endpoints import WebhookEndpoint
from app.services.delivery_recorder import disable
from app.services.ports import Cipher, WebhookTransport

NewKey = Callable[[Signing], tuple[str, str | None]]
"""Makes a signing secret or private key, with the public key if there is one."""
MOST_OF_A_TENANT = 20
"""How many endpoints keys that are bound to a tenant may add for it."""
ZONES = "zone."
Accept = Callable[[Connection, WebhookEndpoint, str], Awaitable[None]]


async def _accept(_tx: Connection, _endpoint: WebhookEndpoint, _secret: str) -> None:
    """Accept a request that has no Idempotency-Key."""


class WebhookEndpoints:
    """The use cases of webhook endpoints."""

    def __init__(
        self, database: Database, transport: WebhookTransport, cipher: Cipher, *, new_key: NewKey
    ) -> None:
        self._database = database
        self._transport = transport
        self._cipher = cipher
        self._new_key = new_key

    async def create(
        self,
        url: str,
        *,
        event_types: Sequence[str],
        tenant: str | None,
        description: str = "",
        enabled: bool = True,
        rate_limit: int | None = None,
        signing: Signing = Signing.HMAC_SHA256,
        is_tenants_own: bool = False,
        accept: Accept = _accept,
    ) -> tuple[WebhookEndpoint, str]:
        """Add an endpoint. Return it with its secret, which is never shown again.

        `is_tenants_own`: a key that is bound to the tenant asks for it.

        Raises:
            InvalidInput: the URL may not be called, or an event type does not exist.
        """
        self._check_url(url, is_tenants_own=is_tenants_own)
        _check_types(event_types)
        _refuse_zones(event_types, tenant)
        secret, public_key = self._new_key(signing)
        async with self._database.transaction() as tx:
            now = await read_now(tx)
            endpoint = WebhookEndpoint(
                id=new_id(Prefix.ENDPOINT),
                url=url,
                description=description,
                event_types=tuple(dict.fromkeys(event_types)),
                tenant=tenant,
                signing=signing,
                secret=self._cipher.encrypt(secret),
                public_key=public_key,
                is_tenants_own=is_tenants_own,
                enabled=enabled,
                disabled_reason=None if enabled else DisabledReason.BY_HAND,
                disabled_at=None if enabled else now,
                rate_limit=rate_limit,
                created_at=now,
                updated_at=now,
            )
            if is_tenants_own and tenant is not None:
                await _require_room(tx, tenant)
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
            raise unknown_endpoint()
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
            raise unknown_endpoint()

    async def list_page(
        self, *, own_of: str | None = None, after: str | None, limit: int
    ) -> list[WebhookEndpoint]:
        """Return endpoints, newest first: a tenant's own, or all."""
        async with self._database.transaction() as tx:
            return await store.list_endpoints(tx, own_of=own_of, after=after, limit=limit)

    async def update(self, endpoint_id: str, changes: Mapping[str, Any]) -> WebhookEndpoint:
        """Change fields: `url`, `description`, `event_types`, `rate_limit` or `enabled`.

        Raises:
            NotFound: no endpoint has this id.
            InvalidInput: the URL may not be called, or an event type does not exist.
        """
        fields = dict(changes)
        if "event_types" in fields:
            _check_types(fields["event_types"])
            fields["event_types"] = tuple(dict.fromkeys(fields["event_types"]))
        enabled = fields.pop("enabled", None)

        async def change(tx: Connection) -> WebhookEndpoint:
            endpoint = await store.get_endpoint(tx, endpoint_id, lock=True)
            if endpoint is None:
                raise unknown_endpoint()
            now = await read_now(tx)
            if "url" in fields:
                self._check_url(fields["url"], is_tenants_own=endpoint.is_tenants_own)
            if "event_types" in fields:
                _refuse_zones(fields["event_types"], endpoint.tenant)
            if fields.get("url", endpoint.url) != endpoint.url:
                endpoint = replace(endpoint, failing_since=None, failed_at=None)
            endpoint = replace(endpoint, **fields, updated_at=now)
            if enabled is False and endpoint.enabled:
                return await disable(tx, endpoint, DisabledReason.BY_HAND, now=now)
            if enabled and not endpoint.enabled:
                endpoint = _enabled(endpoint)
                await notify(tx, Channel.DELIVER)
            await store.save_endpoint(tx, endpoint)
            return endpoint

        return await self._database.run(change)

    async def rotate(
        self, endpoint_id: str, *, overlap: timedelta, accept: Accept = _accept
    ) -> tuple[WebhookEndpoint, str]:
        """Give an endpoint another secret. The previous one signs as well, for `overlap`.

        Raises:
            NotFound: no endpoint has this id.
            Conflict: the previous secret still signs, and this one is to sign beside another.
        """

        async def change(tx: Connection) -> tuple[WebhookEndpoint, str]:
            endpoint = await store.get_endpoint(tx, endpoint_id, lock=True)
            if endpoint is None:
                raise unknown_endpoint()
            now = await read_now(tx)
            if overlap and endpoint.previous_until is not None and endpoint.previous_until > now:
                raise Conflict(
                    "The secret before this one still signs, until "
                    f"{endpoint.previous_until.isoformat(timespec='seconds')}. Wait until then, "
                    "or rotate with `overlap_hours` 0, which ends both.",
                    code=ErrorCode.SECRETS_OVERLAP,
                )
            secret, public_key = self._new_key(endpoint.signing)
            rotated = replace(
                endpoint,
                secret=self._cipher.encrypt(secret),
                public_key=public_key,
                previous_secret=endpoint.secret if overlap else None,
                previous_until=now + overlap if overlap else None,
                updated_at=now,
            )
            await store.save_endpoint(tx, rotated)
            await accept(tx, rotated, secret)
            return rotated, secret

        return await self._database.run(change)

    async def delete(self, endpoint_id: str) -> None:
        """Close an endpoint and cancel its pending deliveries.

        Raises:
            NotFound: no endpoint has this id.
        """

        async def close(tx: Connection) -> bool:
            found = await store.delete_endpoint(tx, endpoint_id)
            if found:
                await deliveries.end_pending(
                    tx, endpoint_id, status="cancelled", reason="endpoint_removed"
                )
            return found

        if not await self._database.run(close):
            raise unknown_endpoint()

    def _check_url(self, url: str, *, is_tenants_own: bool) -> None:
        try:
            self._transport.check(url, is_tenants_own=is_tenants_own)
        except WebhookRefused as error:
            raise InvalidInput(error.detail, code=error.code, field="/url") from None


def unknown_endpoint() -> NotFound:
    """Build the error for an id that no endpoint has."""
    return NotFound("Webhook endpoint not found.")


def _enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return replace(
        endpoint,
        enabled=True,
        disabled_reason=None,
        disabled_at=None,
        failing_since=None,
        failed_at=None,
    )


async def _require_room(tx: Connection, tenant: str) -> None:
    """Check that the tenant may add an endpoint of its own.

    Each one costs a row for every event of the tenant.

    Raises:
        Conflict: it has `MOST_OF_A_TENANT`.
    """
    await store.lock_tenant(tx, tenant)
    if await store.count_own(tx, tenant) >= MOST_OF_A_TENANT:
        raise Conflict(
            f"A tenant has {MOST_OF_A_TENANT} webhook endpoints of its own at most; remove one, or "
            "change one by PATCH.",
            code=ErrorCode.TOO_MANY_ENDPOINTS,
        )


def _refuse_zones(event_types: Sequence[str], tenant: str | None) -> None:
    """Refuse types that an endpoint of this tenant would never get."""
    for index, event_type in enumerate(event_types):
        if tenant is not None and event_type.startswith(ZONES):
            raise InvalidInput(
                "Events of zones go to endpoints without a tenant; leave this type out.",
                code=ErrorCode.EVENT_TYPE_UNKNOWN,
                field=f"/event_types/{index}",
            )


def _check_types(event_types: Sequence[str]) -> None:
    for index, event_type in enumerate(event_types):
        if event_type not in SELECTORS:
            wildcards = sorted(SELECTORS - {str(each) for each in EVENT_TYPES})
            raise InvalidInput(
                f"Unknown event type {event_type[:64]!r}; choose from "
                f"{', '.join(sorted(EVENT_TYPES))}, or {', '.join(wildcards)}.",
                code=ErrorCode.EVENT_TYPE_UNKNOWN,
                field=f"/event_types/{index}",
            )
