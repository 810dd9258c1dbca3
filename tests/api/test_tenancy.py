"""Which tenant a request is about, by its key. An empty tenant binds a key as any other does."""

from __future__ import annotations

import pytest

from app.api.tenancy import tenant_to_add_for, tenant_to_list, tenant_to_notify
from app.api.webhook_schemas import WebhookEndpointCreate
from app.domain.errors import TenantBoundKey
from app.persistence.api_keys import ApiKey


def key_of(tenant: str | None) -> ApiKey:
    return ApiKey("key_1", "test", "write", tenant)


@pytest.mark.parametrize(
    ("bound", "wanted", "tenant"),
    [
        (None, None, None),
        (None, "green", "green"),
        ("green", None, "green"),
        ("green", "green", "green"),
        ("", None, ""),
        ("", "", ""),
    ],
)
def test_a_bound_key_means_its_own_tenant(
    bound: str | None, wanted: str | None, tenant: str | None
) -> None:
    key = key_of(bound)
    assert tenant_to_list(key, wanted) == tenant
    if tenant is not None:
        assert tenant_to_add_for(key, wanted) == tenant
    sent = {"url": "https://hooks.shop.com/x"} | ({"tenant": wanted} if wanted else {})
    assert tenant_to_notify(key, WebhookEndpointCreate.model_validate(sent)) == tenant


@pytest.mark.parametrize(("bound", "wanted"), [("green", "blue"), ("green", ""), ("", "blue")])
def test_a_bound_key_names_no_other_tenant(bound: str, wanted: str) -> None:
    for refused in (tenant_to_list, tenant_to_add_for):
        with pytest.raises(TenantBoundKey):
            refused(key_of(bound), wanted)
