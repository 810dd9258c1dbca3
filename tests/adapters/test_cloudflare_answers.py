"""Answers that Cloudflare gave in life, or shows in its documents: what the client reads in each.

Every file says where it was seen; names, ids and tokens are made up. What the source left out, and
the client needs, stands in `LEFT_OUT`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.adapters.cloudflare.client import CloudflareClient
from app.domain.custom_hostname import CloudflareObject, State
from app.domain.errors import (
    CloudflareDuplicate,
    CloudflareError,
    CloudflareNotEnabled,
    CloudflareNotFound,
    CloudflarePermissionMissing,
    CloudflareRateLimited,
    CloudflareRefused,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareUnavailable,
    CloudflareZoneUnknown,
)
from app.domain.object_spec import ObjectSpec
from app.domain.observation import CloudflareHostname, Found, HostnamePage, ValidationRecord
from app.domain.zone import FallbackOrigin, Quota, ZoneAccess
from tests.domain.builders import decided, live_record

FOLDER = Path(__file__).parent / "cloudflare_answers"
FILES = sorted(path.stem for path in FOLDER.glob("*.json"))
ACCESS = ZoneAccess("5d1f0c7a9be24863a7f2c04e61b8d935", "token", account_id="account")
SEEN = CloudflareHostname(id="id", hostname="shop.com", status="pending", ssl_method="http")

LEFT_OUT: dict[str, dict[str, Any]] = {
    "create-pending-no-records": {
        "id": "4885f0bb-7f65-48b8-ad60-33d185a45961",
        "hostname": "shop.tenant-one.net",
    },
    "list-ownership-emptied": {"id": "90b20bd5-33ba-44a4-9386-f49b52f5f6ec"},
    "http-validation-waiting": {
        "id": "ccdae0b3-294a-4aa5-a2eb-9668decbe27e",
        "hostname": "app.tenant-three.net",
    },
    "verification-error-name-proxied-elsewhere": {
        "id": "2737ca45-933b-4951-a0f9-f234d3d0ee7d",
        "hostname": "proxied.tenant-one.net",
    },
}

Call = Callable[[CloudflareClient], Awaitable[Any]]


def body_of(name: str) -> Any:
    """Give the answer's body, complete where the source left something out."""
    answer = json.loads((FOLDER / f"{name}.json").read_text())
    if "text" in answer:
        return answer["text"]
    body = answer["body"]
    if name == "error-1400-settings-as-array":
        # Its source shows the text alone; Cloudflare's list of errors has its code.
        body["errors"][0]["code"] = 1400
    if isinstance(body.get("result"), dict):
        body["result"] |= LEFT_OUT.get(name, {})
    elif isinstance(body.get("result"), list):
        body["result"] = [LEFT_OUT.get(name, {}) | each for each in body["result"]]
    if "result" in body:
        # Three of the sources show the result alone.
        body.setdefault("success", True)
    return body


def statuses_of(name: str) -> list[int]:
    status = json.loads((FOLDER / f"{name}.json").read_text())["status"]
    return status if isinstance(status, list) else [status]


async def answered(status: int, body: Any, call: Call) -> Any:
    said = {"text": body} if isinstance(body, str) else {"json": body}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, **said))
    async with httpx.AsyncClient(transport=transport) as http:
        return await call(CloudflareClient(http, "https://api.cloudflare.test/client/v4"))


def create(client: CloudflareClient) -> Awaitable[Any]:
    return client.create(ACCESS, "shop.com", ObjectSpec(method="http"))


def get(client: CloudflareClient) -> Awaitable[Any]:
    return client.get(ACCESS, "id")


def list_page(client: CloudflareClient) -> Awaitable[Any]:
    return client.list_page(ACCESS, page=1, filters={})


def refresh(client: CloudflareClient) -> Awaitable[Any]:
    return client.refresh(ACCESS, SEEN, ObjectSpec(method="http"))


def delete(client: CloudflareClient) -> Awaitable[Any]:
    return client.delete(ACCESS, "id")


def token_status(client: CloudflareClient) -> Awaitable[Any]:
    return client.token_status(ACCESS)


def fallback_origin(client: CloudflareClient) -> Awaitable[Any]:
    return client.fallback_origin(ACCESS)


def put_fallback_origin(client: CloudflareClient) -> Awaitable[Any]:
    return client.put_fallback_origin(ACCESS, "fallback.provider-lab.net")


REFUSALS: dict[str, tuple[Call, type[CloudflareError]]] = {
    "accounts-list-account-token": (get, CloudflareTokenMalformed),
    "error-10000-permission": (list_page, CloudflarePermissionMissing),
    "error-1400-settings-as-array": (create, CloudflareRefused),
    "error-1404-saas-not-enabled": (list_page, CloudflareNotEnabled),
    "error-1405-quota-exceeded": (create, CloudflareRefused),
    "error-1406-duplicate": (create, CloudflareDuplicate),
    "error-1413-no-custom-metadata": (create, CloudflareRefused),
    "error-1414-custom-origin-not-granted": (create, CloudflareRefused),
    "error-1436-not-found": (get, CloudflareNotFound),
    "error-1456-fallback-origin-not-granted": (fallback_origin, CloudflareNotEnabled),
    "error-1459-certificate-authority": (create, CloudflareRefused),
    "error-7003-7000-old-shape": (delete, CloudflareZoneUnknown),
    "error-9109-location": (list_page, CloudflareTokenRestricted),
    "html-502": (create, CloudflareUnavailable),
    "rate-limited-10100": (get, CloudflareRateLimited),
    "rate-limited-10429": (get, CloudflareRateLimited),
    "token-header-missing": (token_status, CloudflareTokenMalformed),
    "token-malformed-header": (token_status, CloudflareTokenMalformed),
    "token-verify-account-token-at-user-path": (token_status, CloudflareUnauthorized),
}
"""What each refusal is to the call that meets it.

An account's token may not list accounts: the client never asks for them, and reads the account of
the zone instead. The code it is refused with is that of a missing token elsewhere.
"""

VALUES: dict[str, tuple[Call, Any]] = {
    "dcv-delegation-uuid": (lambda c: c.dcv_delegation_uuid(ACCESS), None),
    "delete-bare-id": (delete, None),
    "fallback-origin-active": (
        fallback_origin,
        FallbackOrigin("fallback-origin.saas-lab.net", "active"),
    ),
    "fallback-origin-put-pending": (put_fallback_origin, None),
    "error-1551-fallback-origin-missing": (fallback_origin, None),
    "quota": (lambda c: c.quota(ACCESS), Quota(100, 50)),
    "token-verify-user-active": (token_status, "active"),
}

NOT_CALLED = {
    "fallback-origin-delete-bare-id": "Nothing here removes a fallback origin.",
}

HOSTNAMES: dict[str, tuple[Call, dict[str, Any]]] = {
    "create-pending-no-records": (
        create,
        {
            "status": "pending",
            "ssl_status": None,
            "ssl_method": None,
            "validation_records": (),
            "ownership_name": "_cf-custom-hostname.shop.tenant-one.net",
        },
    ),
    "create-initializing": (
        create,
        {"status": "", "ssl_status": "initializing", "ownership_name": None},
    ),
    "create-without-ssl": (create, {"status": "pending", "ssl_status": None, "ssl_settings": {}}),
    "custom-certificate-uploaded": (
        create,
        {"status": "", "ssl_status": "pending_deployment", "ssl_method": None, "ssl_type": None},
    ),
    "patch-accepted": (refresh, {}),
    "http-validation-waiting": (
        get,
        {
            "status": "pending",
            "verification_errors": ("custom hostname does not CNAME to this zone.",),
        },
    ),
    "verification-error-name-proxied-elsewhere": (get, {"status": "", "ssl_status": None}),
    "validation-error-caa": (
        get,
        {
            "ssl_method": "cname",
            "validation_errors": ("SERVFAIL looking up CAA for caa.tenant-six.net",),
        },
    ),
    "list-hostname-active-certificate-pending": (
        list_page,
        {
            "status": "active",
            "ssl_status": "pending_validation",
            "ownership_name": None,
            "ssl_settings": {},
            "delegation": (
                "_acme-challenge.okw.saas-lab.net",
                "okw.saas-lab.net.4be7f01c92d3a865.dcv.cloudflare.com",
            ),
            "validation_records": (
                ValidationRecord(
                    "_acme-challenge.okw.saas-lab.net",
                    "AOCCDCLsWC1nh_svJKq4ZAFw3iadrGASiR3fDZFtoNY",
                ),
            ),
        },
    ),
    "list-ownership-emptied": (
        list_page,
        {"ownership_name": None, "ownership_value": None, "ssl_status": None},
    ),
    "list-result-info-without-total-pages": (list_page, {"status": "pending"}),
    "list-every-field": (
        list_page,
        {
            "custom_origin_server": "origin2.provider-lab.net",
            "wildcard": False,
            "validation_errors": ("SERVFAIL looking up CAA for full.tenant-seven.net",),
        },
    ),
    "wildcard-two-tokens": (list_page, {"wildcard": True, "certificate_authority": "google"}),
}


def test_every_answer_has_its_place() -> None:
    assert sorted([*REFUSALS, *VALUES, *HOSTNAMES, *NOT_CALLED]) == FILES


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_told_by_its_status_and_code(name: str) -> None:
    call, expected = REFUSALS[name]
    for status in statuses_of(name):
        with pytest.raises(CloudflareError) as caught:
            await answered(status, body_of(name), call)
        assert type(caught.value) is expected


async def test_the_reason_of_a_malformed_token_is_told() -> None:
    with pytest.raises(CloudflareTokenMalformed, match="Invalid format for Authorization header"):
        await answered(400, body_of("token-malformed-header"), token_status)


@pytest.mark.parametrize("name", VALUES)
async def test_what_is_said_of_the_zone_is_read(name: str) -> None:
    call, expected = VALUES[name]
    body = body_of(name)
    for status in statuses_of(name):
        found = await answered(status, body, call)
        match name:
            case "dcv-delegation-uuid":
                assert found == body["result"]["uuid"]
            case "fallback-origin-put-pending":
                assert found.status == body["result"]["status"]
            case _:
                assert found == expected


@pytest.mark.parametrize("name", HOSTNAMES)
async def test_a_custom_hostname_is_read(name: str) -> None:
    call, expected = HOSTNAMES[name]
    (status,) = statuses_of(name)
    found = await answered(status, body_of(name), call)
    if isinstance(found, HostnamePage):
        assert found.unreadable == ()
        (found,) = found.hostnames
    assert isinstance(found, CloudflareHostname)
    assert {field: getattr(found, field) for field in expected} == expected


async def test_a_wildcard_keeps_both_of_its_tokens() -> None:
    (view,) = (await answered(200, body_of("wildcard-two-tokens"), list_page)).hostnames
    assert len({token.txt_value for token in view.validation_records}) == 2


async def test_a_list_without_its_length_is_as_long_as_what_it_shows() -> None:
    assert (await answered(200, body_of("list-every-field"), list_page)).total == 1


# What damaged answers do: nothing, to a name that is live.

ODD: tuple[Any, ...] = (None, 0, -1.5, True, "", "x", [], [None], {}, {"x": None})
VIEWS = {name: call for name, (call, _) in HOSTNAMES.items() if call in {get, list_page}}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of each value in a body."""
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from places(each, (*path, number))


def replaced(body: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.deepcopy(body)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    return changed


async def views(status: int, body: Any, call: Call) -> list[CloudflareHostname]:
    """Give what is read; nothing else than a `CloudflareError` may come of what cannot be."""
    try:
        found = await answered(status, body, call)
    except CloudflareError:
        return []
    return list(found.hostnames) if isinstance(found, HostnamePage) else [found]


@pytest.mark.parametrize("name", VIEWS)
async def test_a_field_of_the_wrong_type_takes_no_live_name_down(name: str) -> None:
    body = body_of(name)
    holders = body["result"] if isinstance(body["result"], list) else [body["result"]]
    for each in holders:
        # As it is while the name is live.
        each["status"] = "active"
        each["ssl"] = {**(each.get("ssl") or {}), "status": "active"}
    seen_id = holders[0]["id"]
    record = live_record()
    known = CloudflareObject(id=seen_id, seen=record.cloudflare.seen)
    object.__setattr__(record, "cloudflare", known)
    for path in places(body):
        for odd in ODD:
            for view in await views(200, replaced(body, path, odd), VIEWS[name]):
                now = decided(record, cloudflare=Found(view), after=60)
                assert now.record.state is State.CNAME_VERIFIED, (path, odd)
                later = decided(now.record, cloudflare=Found(view), after=3600)
                assert later.record.state is State.CNAME_VERIFIED, (path, odd)


@pytest.mark.parametrize("name", VIEWS)
async def test_an_answer_that_is_cut_off_is_no_answer(name: str) -> None:
    whole = json.dumps(body_of(name))
    for length in {*range(0, len(whole), 7), *range(len(whole) - 20, len(whole))}:
        assert await views(200, whole[:length], VIEWS[name]) == []


async def test_a_list_goes_on_past_an_entry_that_cannot_be_read() -> None:
    body = body_of("list-every-field")
    odd = copy.deepcopy(body["result"][0]) | {"id": "odd", "ssl": "pending"}
    body["result"] = [odd, *body["result"], {"id": 7}]
    page = await answered(200, body, list_page)
    assert [view.hostname for view in page.hostnames] == ["full.tenant-seven.net"]
    assert page.unreadable == ("odd", "")
