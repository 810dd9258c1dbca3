"""A key that is bound to a tenant: what it sees, and what it may set."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from app.api.hostname_schemas import CustomHostnameOut
from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
ENDPOINTS = "/v1/webhook-endpoints"
HIDDEN = {"metadata", "custom_metadata", "labels"}
_names = (f"n{number}.bound-tea.com" for number in itertools.count())
_keys: dict[str, str] = {}


async def bound(service: Service, tenant: str = "ours") -> dict[str, str]:
    """Give the header with a key that may write, bound to the tenant."""
    known = f"{service.stack.api} {tenant}"
    if known not in _keys:
        async with open_database(service.stack.database_url) as database:
            _, secret = await ApiKeys(database).create(name="test", scope="write", tenant=tenant)
        _keys[known] = secret
    return {"Authorization": f"Bearer {_keys[known]}"}


def is_tenants_view(shown: dict[str, Any]) -> bool:
    CustomHostnameOut.model_validate(shown)
    return not HIDDEN & shown.keys() and shown["cloudflare"].keys() == {
        "hostname_status",
        "ssl_status",
    }


async def test_no_answer_shows_metadata_or_what_cloudflare_said(shared_service: Service) -> None:
    http, key = shared_service.http, await bound(shared_service)
    body = {"hostname": next(_names), "tenant": "ours", "metadata": {"internal": 7}}
    made = (await http.post(PATH, json=body)).json()
    path = f"{PATH}/{made['id']}"
    etag = (await http.get(path)).headers["etag"]
    again = {"hostname": body["hostname"]}
    answers = [
        await http.get(path, headers=key),
        await http.get(f"{path}?wait=1", headers={**key, "If-None-Match": '"0.0.0"'}),
        await http.post(PATH, json=again, headers=key),
        await http.post(PATH, json=again, headers={**key, "Idempotency-Key": "bound-1"}),
        await http.post(PATH, json=again, headers={**key, "Idempotency-Key": "bound-1"}),
        await http.patch(path, json={"plan": "zero_downtime"}, headers=key),
        await http.post(f"{path}/refresh", headers=key),
        await http.delete(path, headers=key),
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 200, 200, 200, 200, 202]
    assert answers[4].headers["idempotent-replayed"] == "true"
    assert all(is_tenants_view(each.json()) for each in answers)
    assert all("internal" not in each.text for each in answers)
    assert answers[0].headers["etag"].split(".")[0] == etag.split(".")[0]


async def test_the_fast_path_read_of_a_bound_key_has_its_etag(shared_service: Service) -> None:
    key = await bound(shared_service)
    path = f"{PATH}/{(await shared_service.put_still(next(_names), 'ours'))['id']}"
    first = await shared_service.http.get(path, headers=key)
    assert is_tenants_view(first.json())
    assert first.headers["cache-control"] == "private, no-cache"
    same = {**key, "If-None-Match": first.headers["etag"]}
    again = await shared_service.http.get(path, headers=same)
    assert again.status_code == 304
    unbound = await shared_service.http.get(path)
    for answer in (first, again, unbound):
        assert answer.headers["vary"] == "Authorization"
    assert unbound.json() != first.json()


async def test_nobody_waits_for_another_tenants_hostname(shared_service: Service) -> None:
    key = await bound(shared_service)
    theirs = await shared_service.put_still(next(_names), "theirs")
    async with asyncio.timeout(20):
        answer = await shared_service.http.get(f"{PATH}/{theirs['id']}?wait=60", headers=key)
    unknown = await shared_service.http.get(f"{PATH}/ch_unknown", headers=key)
    assert (answer.status_code, answer.json()) == (404, unknown.json())


async def test_what_it_adds_is_its_own_tenants(shared_service: Service) -> None:
    http, key = shared_service.http, await bound(shared_service)
    made = await http.post(PATH, json={"hostname": next(_names)}, headers=key)
    assert (made.status_code, made.json()["tenant"]) == (201, "ours")
    assert is_tenants_view(made.json())
    named = {"hostname": next(_names), "tenant": "ours"}
    assert (await http.post(PATH, json=named, headers=key)).status_code == 201
    other = await http.post(PATH, json={**named, "tenant": "theirs"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (403, "tenant_bound_key")
    assert other.json()["errors"][0]["pointer"] == "/tenant"


async def test_a_name_that_another_tenant_has_is_taken(shared_service: Service) -> None:
    theirs = await shared_service.put_still(next(_names), "theirs")
    taken = await shared_service.http.post(
        PATH, json={"hostname": theirs["hostname"]}, headers=await bound(shared_service)
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "hostname_taken")
    assert "theirs" not in taken.text
    assert theirs["id"] not in taken.text


async def test_it_removes_all_of_its_tenant_where_it_names_it(shared_service: Service) -> None:
    key = await bound(shared_service, "leaving")
    for _ in range(2):
        await shared_service.put_still(next(_names), "leaving")
    gone = await shared_service.http.delete(f"{PATH}?tenant=leaving", headers=key)
    assert (gone.status_code, gone.json()) == (202, {"removing": 2, "has_more": False})
    unnamed = await shared_service.http.delete(PATH, headers=key)
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "invalid_request")


async def test_its_list_has_its_own_tenant_alone(shared_service: Service) -> None:
    key = await bound(shared_service)
    await shared_service.put_still(next(_names), "ours")
    theirs = await shared_service.put_still(next(_names), "theirs")
    page = (await shared_service.http.get(f"{PATH}?limit=100", headers=key)).json()
    assert all(is_tenants_view(each) for each in page["data"])
    assert {each["tenant"] for each in page["data"]} == {"ours"}
    query = f"hostname={theirs['hostname']}"
    assert (await shared_service.http.get(f"{PATH}?{query}", headers=key)).json()["data"] == []
    other = await shared_service.http.get(f"{PATH}?tenant=theirs", headers=key)
    assert (other.status_code, other.json()["errors"][0]["parameter"]) == (403, "tenant")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("zone", "default"),
        ("certificate_authority", "google"),
        ("custom_origin_server", "origin.provider.net"),
        ("custom_origin_sni", "origin.provider.net"),
        ("tls", {"min_tls_version": "1.0"}),
        ("tls", None),
        ("custom_metadata", {"a": 1}),
        ("metadata", {"a": 1}),
        ("labels", {"a": "1"}),
    ],
)
async def test_it_sets_neither_origin_nor_zone_nor_tls_nor_metadata(
    shared_service: Service, field: str, value: object
) -> None:
    http, key = shared_service.http, await bound(shared_service)
    ours = f"{PATH}/{(await shared_service.put_still(next(_names), 'ours'))['id']}"
    for answer in (
        await http.post(PATH, json={"hostname": next(_names), field: value}, headers=key),
        await http.patch(ours, json={field: value}, headers=key),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_bound_key")
        assert answer.json()["errors"][0]["pointer"] == f"/{field}"


async def test_its_endpoints_are_its_own_tenants(shared_service: Service) -> None:
    http, key = shared_service.http, await bound(shared_service)
    url = f"{shared_service.stack.receiver}/x"
    made = await http.post(ENDPOINTS, json={"url": url}, headers=key)
    assert (made.status_code, made.json()["tenant"]) == (201, "ours")
    for tenant in (None, "theirs"):
        other = await http.post(ENDPOINTS, json={"url": url, "tenant": tenant}, headers=key)
        assert (other.status_code, other.json()["code"]) == (403, "tenant_bound_key")
    everybodys = (await http.post(ENDPOINTS, json={"url": url})).json()
    path = f"{ENDPOINTS}/{everybodys['id']}"
    for answer in (await http.get(path, headers=key), await http.delete(path, headers=key)):
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_bound_key")
    listed = (await http.get(ENDPOINTS, headers=key)).json()["data"]
    assert made.json()["id"] in {each["id"] for each in listed}
    assert {each["tenant"] for each in listed} == {"ours"}
    gone = await http.delete(f"{ENDPOINTS}/{made.json()['id']}", headers=key)
    assert gone.status_code == 204


async def test_an_endpoint_that_an_admin_added_for_its_tenant_is_not_its_own(
    shared_service: Service,
) -> None:
    http, key = shared_service.http, await bound(shared_service)
    body = {"url": f"{shared_service.stack.receiver}/providers", "tenant": "ours"}
    providers = (await http.post(ENDPOINTS, json=body)).json()
    path = f"{ENDPOINTS}/{providers['id']}"
    unknown = await http.get(f"{ENDPOINTS}/we_unknown", headers=key)
    for answer in (await http.get(path, headers=key), await http.delete(path, headers=key)):
        assert (answer.status_code, answer.json()) == (404, unknown.json())
    listed = (await http.get(f"{ENDPOINTS}?limit=100", headers=key)).json()["data"]
    assert providers["id"] not in {each["id"] for each in listed}
    assert (await http.get(path)).status_code == 200


async def test_an_endpoint_that_a_bound_key_added_gets_the_tenants_view(
    shared_service: Service,
) -> None:
    receiver = shared_service.stack.receiver
    for path, headers in (("bound", await bound(shared_service, "hooked")), ("admin", {})):
        body = {"url": f"{receiver}/{path}", "tenant": "hooked"}
        made = await shared_service.http.post(ENDPOINTS, json=body, headers=headers)
        assert made.status_code == 201
    await shared_service.create(next(_names), "hooked", metadata={"internal": 7})
    shown = {path: await _received(shared_service, f"/{path}") for path in ("bound", "admin")}
    assert is_tenants_view({**shown["bound"], "queue": None, "next_check_at": None})
    assert shown["admin"]["metadata"] == {"internal": 7}


async def _received(service: Service, path: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            for each in await service.world.deliveries():
                if each["path"] == path:
                    return dict(each["body"]["data"]["custom_hostname"])
            await asyncio.sleep(0.1)


async def test_an_answer_that_says_what_exists_names_the_callers_own_alone(
    shared_service: Service,
) -> None:
    http, key = shared_service.http, await bound(shared_service)
    hostname = next(_names)
    ours = await http.post(PATH, json={"hostname": hostname}, headers=key)
    differs: httpx.Response = await http.post(
        PATH, json={"hostname": hostname, "plan": "zero_downtime"}, headers=key
    )
    assert (differs.status_code, differs.json()["code"]) == (409, "already_exists")
    assert differs.json()["custom_hostname_id"] == ours.json()["id"]
