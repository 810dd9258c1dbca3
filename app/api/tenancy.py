"""What a key that is bound to a tenant may reach: its own tenant's resources, and no others.

A resource never changes its tenant, so it is checked once, before anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from app.api.dependencies import IdDep, ServicesDep
from app.api.webhook_schemas import WebhookEndpointCreate
from app.domain.errors import NotFound, TenantBoundKey
from app.persistence.api_keys import ApiKey
from app.persistence.fast_path_reads import read_tenant

PROVIDERS = (
    "zone",
    "certificate_authority",
    "custom_origin_server",
    "custom_origin_sni",
    "tls",
    "custom_metadata",
    "metadata",
    "labels",
)
"""The fields of a hostname that are the provider's to set: zone, origin, TLS, and its own data."""


async def api_key(request: Request) -> ApiKey:
    """Return the key that `Requires` has admitted."""
    found: ApiKey = request.state.api_key
    return found


KeyDep = Annotated[ApiKey, Depends(api_key)]


async def own_hostname(id: IdDep, key: KeyDep, services: ServicesDep) -> str:  # noqa: A002
    """Return the id, if the key may reach the hostname.

    Raises:
        NotFound: it is another tenant's; the answer is that for an unknown id.
    """
    if key.tenant is not None and await read_tenant(services.database, id) != key.tenant:
        raise unknown_hostname()
    return id


async def own_endpoint(id: IdDep, key: KeyDep, services: ServicesDep) -> str:  # noqa: A002
    """Return the id, if the key may reach the webhook endpoint.

    Raises:
        NotFound: it is another tenant's, or an admin added it; answered as an unknown id is.
        TenantBoundKey: it is the provider's, and gets the events of all tenants.
    """
    if key.tenant is not None:
        await services.webhook_endpoints.require_own(id, key.tenant)
    return id


def unknown_hostname() -> NotFound:
    """Build the error for an id that does not exist, or that the key may not reach."""
    return NotFound("Custom hostname not found.")


def tenant_to_list(key: ApiKey, wanted: str | None) -> str | None:
    """Return the tenant to filter by. None means all.

    Raises:
        TenantBoundKey: the key is bound to another one.
    """
    if key.tenant is not None and wanted not in {None, key.tenant}:
        raise TenantBoundKey(_other(key.tenant), parameter="tenant")
    return wanted if key.tenant is None else key.tenant


def refuse_labels(key: ApiKey, labels: Sequence[str]) -> None:
    """Refuse to list by labels, which a bound key does not see.

    Raises:
        TenantBoundKey: there are any.
    """
    if key.tenant is not None and labels:
        raise TenantBoundKey(
            "An API key that is bound to a tenant cannot list by labels; leave `label` out, or use "
            "a key without a tenant.",
            parameter="label",
        )


def tenant_to_add_for(key: ApiKey, wanted: str | None) -> str:
    """Return the tenant of a new hostname: the named one, or the one that the key is bound to.

    Raises:
        TenantBoundKey: the key is bound to another one.
        RequestValidationError: no tenant is named, and the key is bound to none.
    """
    if key.tenant is not None and wanted not in {None, key.tenant}:
        raise TenantBoundKey(_other(key.tenant), field="/tenant")
    tenant = wanted if key.tenant is None else key.tenant
    if tenant is None:
        # As for any other field that is missing.
        raise RequestValidationError([{"type": "missing", "loc": ("body", "tenant")}])
    return tenant


def tenant_to_notify(key: ApiKey, wanted: WebhookEndpointCreate) -> str | None:
    """Return the tenant whose events a new webhook endpoint gets. None means all tenants.

    Raises:
        TenantBoundKey: the key is bound to another one, or all are asked for.
    """
    is_left_out = "tenant" not in wanted.model_fields_set
    if key.tenant is not None and not is_left_out and wanted.tenant != key.tenant:
        raise TenantBoundKey(_other(key.tenant), field="/tenant")
    return wanted.tenant if key.tenant is None else key.tenant


def refuse_providers_fields(key: ApiKey, sent: Iterable[str]) -> None:
    """Refuse fields that a bound key may not set, not even to their defaults.

    Raises:
        TenantBoundKey: naming the first of them.
    """
    fields = set(sent)
    refused = [each for each in PROVIDERS if each in fields]
    if key.tenant is not None and refused:
        raise TenantBoundKey(
            f"An API key that is bound to a tenant cannot set `{refused[0]}`; leave it out, or use "
            "a key without a tenant.",
            field=f"/{refused[0]}",
        )


def _other(tenant: str) -> str:
    return (
        f"This API key is bound to the tenant {tenant!r}; leave `tenant` out, or use another key."
    )


OwnHostname = Annotated[str, Depends(own_hostname)]
OwnEndpoint = Annotated[str, Depends(own_endpoint)]
