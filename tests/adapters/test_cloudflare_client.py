"""What the client makes of Cloudflare's answers, and of what is none."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog.testing

from app.adapters.cloudflare.client import CloudflareClient
from app.domain.errors import (
    CloudflareDuplicate,
    CloudflareError,
    CloudflareForbidden,
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
    DatabaseUnavailable,
)
from app.domain.object_spec import ObjectSpec
from app.domain.observation import CloudflareHostname, ValidationRecord
from app.domain.rate_limit import DEFAULT_RETRY_SECONDS
from app.domain.zone import CloudflareZone, FallbackOrigin, Quota, ZoneAccess, ZoneRecord

TOKEN = "v1.0-a-token-nobody-may-see"
ACCESS = ZoneAccess("zone0123", TOKEN)
BASE = "https://api.cloudflare.test/client/v4"
CUSTOM_HOSTNAMES = f"{BASE}/zones/zone0123/custom_hostnames"
HTML = "<html><body>Attention Required!</body></html>"

Handler = Callable[[httpx.Request], httpx.Response]
Call = Callable[[CloudflareClient], Awaitable[Any]]

SEEN: dict[str, Any] = {
    "id": "ch1",
    "hostname": "www.shop.com",
    "status": "pending",
    "ssl": {"status": "pending_validation", "method": "txt", "type": "dv"},
}
VIEW = CloudflareHostname(id="ch1", hostname="www.shop.com", status="pending", ssl_method="txt")

CALLS: dict[str, Call] = {
    "create": lambda c: c.create(ACCESS, "www.shop.com", ObjectSpec(method="txt")),
    "get": lambda c: c.get(ACCESS, "ch1"),
    "list_page": lambda c: c.list_page(ACCESS, page=1, filters={}),
    "refresh": lambda c: c.refresh(ACCESS, VIEW, ObjectSpec(method="txt")),
    "edit": lambda c: c.edit(ACCESS, VIEW, ObjectSpec(method="txt")),
    "delete": lambda c: c.delete(ACCESS, "ch1"),
    "put_fallback_origin": lambda c: c.put_fallback_origin(ACCESS, "origin.provider.net"),
    "records_at": lambda c: c.records_at(ACCESS, "origin.provider.net"),
    "create_record": lambda c: c.create_record(ACCESS, type_="A", name="a.net", content="1.1.1.1"),
    "proxy_record": lambda c: c.proxy_record(ACCESS, "rec1"),
    "dcv_delegation_uuid": lambda c: c.dcv_delegation_uuid(ACCESS),
    "quota": lambda c: c.quota(ACCESS),
    "zone": lambda c: c.zone(ACCESS),
    "token_status": lambda c: c.token_status(ACCESS),
}


def refusal(status: int, code: int, message: str = "No.") -> httpx.Response:
    body = {"success": False, "errors": [{"code": code, "message": message}], "result": None}
    return httpx.Response(status, json=body)


def success(result: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status, json={"success": True, "errors": [], "messages": [], "result": result}
    )


async def answered(handler: Handler, call: Call) -> Any:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        return await call(CloudflareClient(http, BASE + "/"))


async def error_of(handler: Handler, call: Call) -> CloudflareError:
    with pytest.raises(CloudflareError) as caught:
        await answered(handler, call)
    error = caught.value
    assert TOKEN not in "".join(traceback.format_exception(error))
    return error


async def asked(call: Call, result: Any) -> httpx.Request:
    """Give the one request that a call makes."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return success(result)

    await answered(handler, call)
    (request,) = requests
    return request


def giving(result: Any) -> Handler:
    return lambda _: success(result)


def raising(error: Exception) -> Handler:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (refusal(404, 1436), CloudflareNotFound),
        (refusal(404, 0), CloudflareUnavailable),
        *((refusal(status, 7003), CloudflareZoneUnknown) for status in (400, 404)),
        *((refusal(status, 7000), CloudflareZoneUnknown) for status in (400, 404)),
        (httpx.Response(404, text=HTML), CloudflareUnavailable),
        (httpx.Response(404), CloudflareUnavailable),
        (httpx.Response(404, json={"error": "not found"}), CloudflareUnavailable),
        (httpx.Response(404, json={"success": False, "errors": []}), CloudflareUnavailable),
        (httpx.Response(404, json={"success": False, "errors": None}), CloudflareUnavailable),
        (refusal(200, 1436), CloudflareUnavailable),
        (refusal(500, 1436), CloudflareUnavailable),
        (refusal(409, 1406), CloudflareDuplicate),
        (refusal(409, 1439), CloudflareRefused),
        (refusal(409, 9999), CloudflareUnavailable),
        *((refusal(400, code), CloudflareRefused) for code in (1400, *range(1407, 1412))),
        *((refusal(400, code), CloudflareRefused) for code in (*range(1415, 1422), 1432, 1433)),
        *((refusal(400, code), CloudflareRefused) for code in (1434, 1435, 1438, 1440, 1448, 1469)),
        *((refusal(403, code), CloudflareRefused) for code in (1405, 1413, 1414)),
        *((refusal(status, 1404), CloudflareNotEnabled) for status in (400, 403)),
        *((refusal(status, 1456), CloudflareNotEnabled) for status in (400, 403)),
        (refusal(400, 81053), CloudflareRefused),
        (refusal(400, 9999), CloudflareUnavailable),
        (refusal(400, 0), CloudflareUnavailable),
        (refusal(400, 1399), CloudflareUnavailable),
        (refusal(400, 1500), CloudflareUnavailable),
        *((refusal(401, code), CloudflareUnauthorized) for code in range(1000, 1006)),
        (refusal(401, 0), CloudflareUnauthorized),
        (refusal(401, 1436), CloudflareUnauthorized),
        (refusal(403, 10000), CloudflarePermissionMissing),
        (refusal(403, 9109), CloudflareTokenRestricted),
        (refusal(403, 0), CloudflareForbidden),
        (httpx.Response(403, text=HTML), CloudflareUnavailable),
        (httpx.Response(403), CloudflareUnavailable),
        (httpx.Response(401, text=HTML), CloudflareUnauthorized),
        (httpx.Response(401), CloudflareUnauthorized),
        (refusal(400, 6003), CloudflareTokenMalformed),
        (refusal(400, 1001), CloudflareTokenMalformed),
        (refusal(429, 971), CloudflareRateLimited),
        (httpx.Response(429, text=HTML), CloudflareRateLimited),
        (httpx.Response(429), CloudflareRateLimited),
        (refusal(500, 1500), CloudflareUnavailable),
        *((httpx.Response(s, text=HTML), CloudflareUnavailable) for s in (500, 502, 503, 520, 524)),
        (refusal(500, 1406), CloudflareUnavailable),
        (success(SEEN, 503), CloudflareUnavailable),
        (refusal(200, 0), CloudflareUnavailable),
        (refusal(200, 1406), CloudflareUnavailable),
        (refusal(201, 1404), CloudflareUnavailable),
        (httpx.Response(200), CloudflareUnavailable),
        (httpx.Response(200, text=HTML), CloudflareUnavailable),
        (httpx.Response(200, text='{"success": true, "resu'), CloudflareUnavailable),
        (httpx.Response(200, content=b"\xff\xfe\x00"), CloudflareUnavailable),
        (httpx.Response(200, json=[]), CloudflareUnavailable),
        (httpx.Response(200, json=None), CloudflareUnavailable),
        (httpx.Response(200, json={"result": SEEN}), CloudflareUnavailable),
        (httpx.Response(200, json={"success": None, "result": SEEN}), CloudflareUnavailable),
        (httpx.Response(204), CloudflareUnavailable),
        (success(SEEN, 304), CloudflareUnavailable),
        (httpx.Response(302, headers={"location": "https://else.test/"}), CloudflareUnavailable),
        (httpx.Response(308, headers={"location": "/elsewhere"}), CloudflareUnavailable),
    ],
    ids=lambda value: f"{value.status_code}" if isinstance(value, httpx.Response) else None,
)
async def test_each_answer_is_one_error_of_every_call(
    response: httpx.Response, expected: type[CloudflareError]
) -> None:
    for name, call in CALLS.items():
        if name == "delete" and response.is_success:
            # Any 2xx of a DELETE is success, whatever its body.
            assert await answered(lambda _: response, call) is None
            continue
        error = await error_of(lambda _: response, call)
        if name == "token_status" and expected is CloudflarePermissionMissing:
            # A token that may not read its zone says nothing of whether it is good.
            assert type(error) is CloudflareUnavailable
            continue
        assert type(error) is expected
        if isinstance(error, CloudflareRefused):
            assert error.cloudflare_code == response.json()["errors"][0]["code"]


@pytest.mark.parametrize(
    "cut",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.ReadError("cut"),
        httpx.WriteError("cut"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError("odd"),
        httpx.ProxyError("odd"),
        httpx.DecodingError("odd"),
        httpx.TooManyRedirects("round"),
        httpx.UnsupportedProtocol("odd"),
        httpx.InvalidURL("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_no_answer_is_unavailable(cut: Exception) -> None:
    for call in CALLS.values():
        assert type(await error_of(raising(cut), call)) is CloudflareUnavailable


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, DEFAULT_RETRY_SECONDS),
        ({"retry-after": "soon"}, DEFAULT_RETRY_SECONDS),
        ({"retry-after": ""}, DEFAULT_RETRY_SECONDS),
        ({}, DEFAULT_RETRY_SECONDS),
    ],
)
async def test_a_429_says_how_long_to_wait(headers: dict[str, str], wait: float) -> None:
    error = await error_of(lambda _: httpx.Response(429, headers=headers), CALLS["get"])
    assert isinstance(error, CloudflareRateLimited)
    assert error.retry_after == wait


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "ch1",
        {},
        {"id": "ch1"},
        {"hostname": "www.shop.com"},
        {**SEEN, "id": 7},
        {**SEEN, "id": None},
        {**SEEN, "status": ["active"]},
        {**SEEN, "ssl": "active"},
        {**SEEN, "ssl": {"status": 1}},
        {**SEEN, "created_at": "yesterday"},
    ],
)
@pytest.mark.parametrize("name", ["create", "get", "refresh", "edit"])
async def test_a_hostname_of_the_wrong_shape_is_unavailable(name: str, result: Any) -> None:
    error = await error_of(giving(result), CALLS[name])
    assert type(error) is CloudflareUnavailable


ENTRIES: tuple[list[Any], ...] = ([None], [{}], [[]])


@pytest.mark.parametrize(
    ("name", "result"),
    [
        *(("list_page", result) for result in (None, {}, SEEN, "", 0)),
        *(("records_at", result) for result in (None, {}, SEEN, "", 0, *ENTRIES)),
    ],
)
async def test_a_list_of_the_wrong_shape_is_unavailable_not_empty(name: str, result: Any) -> None:
    answer = success(result).json() | {"result_info": {"page": 1, "total_count": 1}}
    error = await error_of(lambda _: httpx.Response(200, json=answer), CALLS[name])
    assert type(error) is CloudflareUnavailable


@pytest.mark.parametrize("entries", ENTRIES)
async def test_an_entry_that_cannot_be_read_is_counted(entries: list[Any]) -> None:
    page = await answered(lambda _: page_of(*entries, SEEN, total=2), CALLS["list_page"])
    assert ([view.id for view in page.hostnames], page.unreadable) == (["ch1"], ("",))


async def test_an_entry_that_cannot_be_read_is_logged_once() -> None:
    odd = {**SEEN, "id": "odd", "status": ["active"]}
    transport = httpx.MockTransport(lambda _: page_of(SEEN, odd, total=2))
    async with httpx.AsyncClient(transport=transport) as http:
        client = CloudflareClient(http, BASE)
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                page = await client.list_page(ACCESS, page=1, filters={})
    assert page.unreadable == ("odd",)
    assert [(each["event"], each["cloudflare_id"]) for each in logs] == [
        ("cloudflare_entry_unreadable", "odd")
    ]


async def test_nulls_among_a_hostnames_errors_are_passed_over() -> None:
    odd = {**SEEN, "verification_errors": [None, "e"], "ssl": {"validation_errors": [None, {}]}}
    view = await answered(giving(odd), CALLS["get"])
    assert (view.verification_errors, view.validation_errors) == (("e",), ())


async def test_unknown_statuses_and_fields_are_tolerated() -> None:
    result = {
        **SEEN,
        "status": "test_of_something_new",
        "brand_new": {"nested": [1]},
        "ssl": {
            "status": "staging_something",
            "method": "carrier_pigeon",
            "type": "dv",
            "certificate_authority": "new_authority",
            "hosts": ["www.shop.com"],
            "validation_records": [{"status": "pending", "txt_name": "n", "txt_value": "v"}],
        },
    }
    view = await answered(giving(result), CALLS["get"])
    assert (view.status, view.ssl_status) == ("test_of_something_new", "staging_something")
    assert view.ssl_method == "carrier_pigeon"
    assert view.certificate_authority == "new_authority"
    assert view.validation_records == (ValidationRecord("n", "v"),)


async def test_the_least_that_cloudflare_may_say_is_enough() -> None:
    for result in ({"id": "ch1", "hostname": "www.shop.com"}, {**SEEN, "ssl": None}):
        view = await answered(giving(result), CALLS["get"])
        assert view.ssl_status is None
        assert view.validation_records == ()


async def test_everything_that_cloudflare_says_is_read() -> None:
    result = {
        "id": "ch1",
        "hostname": "www.shop.com",
        "status": "active",
        "created_at": "2026-01-02T03:04:05.678Z",
        "verification_errors": ["custom hostname does not CNAME to this zone."],
        "ownership_verification": {"type": "txt", "name": "_cf.www.shop.com", "value": "uuid"},
        "ssl": {
            "status": "active",
            "method": "http",
            "type": "dv",
            "wildcard": False,
            "certificate_authority": "google",
            "settings": {"min_tls_version": "1.2", "http2": "on"},
            "validation_records": [
                {"http_url": "http://www.shop.com/x", "http_body": "b", "emails": ["a@shop.com"]}
            ],
            "validation_errors": [{"message": "caa_error: www.shop.com"}],
        },
    }
    assert await answered(giving(result), CALLS["get"]) == CloudflareHostname(
        id="ch1",
        hostname="www.shop.com",
        status="active",
        ssl_status="active",
        ssl_method="http",
        ssl_type="dv",
        certificate_authority="google",
        ssl_settings={"min_tls_version": "1.2", "http2": "on"},
        verification_errors=("custom hostname does not CNAME to this zone.",),
        validation_errors=("caa_error: www.shop.com",),
        ownership_name="_cf.www.shop.com",
        ownership_value="uuid",
        validation_records=(
            ValidationRecord(
                http_url="http://www.shop.com/x", http_body="b", emails=("a@shop.com",)
            ),
        ),
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    )


async def deaf(*_: Any, **__: Any) -> None:
    raise DatabaseUnavailable("It is restarting.")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (success(SEEN), None),
        (refusal(409, 1406), CloudflareDuplicate),
        (httpx.Response(429), CloudflareRateLimited),
    ],
)
async def test_an_answer_stands_even_when_its_limits_cannot_be_written_down(
    response: httpx.Response, expected: type[CloudflareError] | None
) -> None:
    limits = {f"x-ratelimit-{name}": "100" for name in ("limit", "remaining", "reset")}
    response.headers.update(limits)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: response)) as http:
        call = CALLS["create"](CloudflareClient(http, BASE, deaf))
        if expected is None:
            assert (await call).id == SEEN["id"]
        else:
            with pytest.raises(expected):
                await call


async def test_a_creation_names_hostname_method_and_type() -> None:
    request = await asked(CALLS["create"], SEEN)
    assert (request.method, str(request.url)) == ("POST", CUSTOM_HOSTNAMES)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(request.content) == {
        "hostname": "www.shop.com",
        "ssl": {"method": "txt", "type": "dv"},
    }


async def test_a_refresh_repeats_method_type_all_settings_and_what_was_chosen() -> None:
    settings = {"min_tls_version": "1.2", "ciphers": ["A"], "early_hints": "on", "new": {"x": 1}}
    ssl = {
        "status": "active",
        "method": "txt",
        "type": "dv",
        "wildcard": True,
        "certificate_authority": "lets_encrypt",
        "settings": settings,
    }
    view = await answered(lambda _: success({**SEEN, "ssl": ssl}), CALLS["get"])
    chosen = ObjectSpec(method="txt", wildcard=True, certificate_authority="lets_encrypt")
    request = await asked(lambda client: client.refresh(ACCESS, view, chosen), SEEN)
    assert (request.method, str(request.url)) == ("PATCH", f"{CUSTOM_HOSTNAMES}/ch1")
    assert json.loads(request.content) == {
        "ssl": {key: value for key, value in ssl.items() if key != "status"}
    }


async def test_a_refresh_sends_nothing_that_was_not_chosen_here() -> None:
    ssl = {**FULL_SSL, "status": "pending_validation", "settings": {"http2": "on"}}
    view = await answered(giving({**SEEN, **FULL_BESIDE, "ssl": ssl}), CALLS["get"])
    request = await asked(lambda c: c.refresh(ACCESS, view, ObjectSpec(method="txt")), SEEN)
    assert json.loads(request.content) == {
        "ssl": {"method": "txt", "type": "dv", "settings": {"http2": "on"}}
    }


async def test_a_refresh_of_a_hostname_without_a_certificate_names_the_chosen_method() -> None:
    view = await answered(giving({**SEEN, "ssl": None}), CALLS["get"])
    request = await asked(lambda c: c.refresh(ACCESS, view, ObjectSpec(method="http")), SEEN)
    assert json.loads(request.content) == {"ssl": {"method": "http", "type": "dv"}}


async def test_a_refresh_adds_nothing_that_was_not_seen() -> None:
    request = await asked(CALLS["refresh"], SEEN)
    assert json.loads(request.content) == {"ssl": {"method": "txt", "type": "dv"}}


def page_of(*entries: Any, total: int | None) -> httpx.Response:
    answer = success(list(entries)).json()
    info = {} if total is None else {"result_info": {"page": 1, "total_count": total}}
    return httpx.Response(200, json=answer | info)


async def test_a_list_page_passes_cloudflares_filters_on_and_says_how_long_the_list_is() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return page_of(SEEN, total=101)

    page = await answered(
        answer, lambda c: c.list_page(ACCESS, page=3, filters={"hostname_status": "moved"})
    )
    assert (page.total, [view.id for view in page.hostnames]) == (101, [SEEN["id"]])
    (request,) = requests
    assert dict(request.url.params) == {"page": "3", "per_page": "50", "hostname_status": "moved"}


async def test_a_full_page_of_a_list_that_does_not_say_how_long_it_is_is_no_answer() -> None:
    with pytest.raises(CloudflareUnavailable, match="how long"):
        await answered(lambda _: page_of(*[SEEN] * 50, total=None), CALLS["list_page"])


async def test_a_page_that_is_not_full_is_the_last_of_a_list_that_does_not_say_its_length() -> None:
    call: Call = lambda c: c.list_page(ACCESS, page=3, filters={})  # noqa: E731
    assert (await answered(lambda _: page_of(SEEN, total=None), call)).total == 101


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, json={"id": "ch1"}),
        success({"id": "ch1"}),
        success(None, 202),
        httpx.Response(200),
        httpx.Response(204),
    ],
    ids=["bare id", "envelope", "202", "empty", "204"],
)
async def test_any_2xx_of_a_deletion_is_success(response: httpx.Response) -> None:
    assert await answered(lambda _: response, CALLS["delete"]) is None


async def test_an_id_is_one_segment_of_a_path() -> None:
    request = await asked(lambda client: client.delete(ACCESS, "../ch1?x=/"), None)
    assert request.method == "DELETE"
    assert request.url.raw_path.endswith(b"/custom_hostnames/..%2Fch1%3Fx%3D%2F")


@pytest.mark.parametrize("response", [refusal(404, 1436), success(None), success({"origin": ""})])
async def test_a_zone_without_a_fallback_origin_has_none(response: httpx.Response) -> None:
    found = await answered(lambda _: response, lambda client: client.fallback_origin(ACCESS))
    assert found is None


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (refusal(401, 1000), CloudflareUnauthorized),
        (refusal(403, 10000), CloudflarePermissionMissing),
        (httpx.Response(500), CloudflareUnavailable),
        (httpx.Response(429), CloudflareRateLimited),
    ],
)
async def test_a_fallback_origin_that_could_not_be_asked_for_is_an_error(
    response: httpx.Response, expected: type[CloudflareError]
) -> None:
    error = await error_of(lambda _: response, lambda client: client.fallback_origin(ACCESS))
    assert type(error) is expected


async def test_the_zones_own_things_are_read() -> None:
    origin = {"origin": "o.provider.net", "status": "active", "errors": None, "created_at": "x"}
    record = {"id": "r1", "type": "A", "name": "a.net", "content": "1.1.1.1", "proxied": True}
    beside = {"id": "r2", "type": "A", "name": "b.a.net", "content": "1.1.1.1"}
    account = {"id": "acc1", "name": "Provider"}
    table: list[tuple[Call, Any, Any]] = [
        (
            lambda client: client.fallback_origin(ACCESS),
            origin,
            FallbackOrigin("o.provider.net", "active"),
        ),
        (CALLS["put_fallback_origin"], origin, FallbackOrigin("o.provider.net", "active")),
        (
            lambda client: client.records_at(ACCESS, "a.net"),
            [beside, record],
            [ZoneRecord("r1", "A", "a.net", "1.1.1.1", proxied=True)],
        ),
        (CALLS["create_record"], record, ZoneRecord("r1", "A", "a.net", "1.1.1.1", proxied=True)),
        (CALLS["proxy_record"], record, ZoneRecord("r1", "A", "a.net", "1.1.1.1", proxied=True)),
        (CALLS["dcv_delegation_uuid"], {"uuid": "0123"}, "0123"),
        (CALLS["quota"], {"allocated": 100, "used": 7, "hard_cap": 200}, Quota(100, 7)),
        (CALLS["quota"], {}, Quota(None, None)),
        (CALLS["zone"], {"name": "a.net", "account": account}, CloudflareZone("a.net", "acc1")),
        (CALLS["zone"], {"name": "a.net"}, CloudflareZone("a.net", None)),
        (CALLS["token_status"], {"id": "t", "status": "active"}, "active"),
    ]
    for call, result, expected in table:
        assert await answered(giving(result), call) == expected


async def test_a_record_of_the_zone_is_made_proxied() -> None:
    request = await asked(CALLS["create_record"], {"id": "r1", "type": "A", "name": "a.net"})
    assert str(request.url) == f"{BASE}/zones/zone0123/dns_records"
    assert json.loads(request.content) == {
        "type": "A",
        "name": "a.net",
        "content": "1.1.1.1",
        "proxied": True,
        "ttl": 1,
    }


async def test_the_token_is_asked_about_outside_the_zone() -> None:
    request = await asked(CALLS["token_status"], {"status": "active"})
    assert str(request.url) == f"{BASE}/user/tokens/verify"


@pytest.mark.parametrize(
    ("token", "account_id", "paths"),
    [
        ("a-users", None, ["/user/tokens/verify", "/zones/zone0123", "/accounts/acc1"]),
        ("a-users", "acc1", ["/user/tokens/verify", "/accounts/acc1"]),
        ("cfat_accounts", "acc1", ["/accounts/acc1"]),
        ("cfat_accounts", None, ["/zones/zone0123", "/accounts/acc1"]),
    ],
)
async def test_an_accounts_own_token_is_verified_at_the_accounts_path(
    token: str, account_id: str | None, paths: list[str]
) -> None:
    asked_of: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/client/v4")
        asked_of.append(path.removesuffix("/tokens/verify") if "accounts" in path else path)
        if path.startswith("/user"):
            return refusal(401, 1000, "Invalid API Token")
        zone = {"name": "a.net", "account": {"id": "acc1"}}
        return success(zone if path.startswith("/zones") else {"status": "active"})

    access = ZoneAccess("zone0123", token, account_id=account_id)
    assert await answered(answer, lambda c: c.token_status(access)) == "active"
    assert asked_of == paths


def test_the_token_is_not_in_the_repr_of_an_access() -> None:
    assert TOKEN not in repr(ACCESS)
    assert TOKEN not in str(ACCESS)
    assert "zone0123" in repr(ACCESS)


FULL = ObjectSpec(
    method="txt",
    wildcard=True,
    cloudflare_branding=True,
    certificate_authority="ssl_com",
    settings={"http2": "on"},
    custom_origin_server="eu.provider.net",
    custom_origin_sni="sni.provider.net",
    custom_metadata={"tier": "gold"},
)
FULL_SSL = {
    "method": "txt",
    "type": "dv",
    "wildcard": True,
    "cloudflare_branding": True,
    "certificate_authority": "ssl_com",
    "settings": {"http2": "on"},
}
FULL_BESIDE = {
    "custom_origin_server": "eu.provider.net",
    "custom_origin_sni": "sni.provider.net",
    "custom_metadata": {"tier": "gold"},
}


async def test_a_creation_says_all_that_is_wanted() -> None:
    request = await asked(lambda client: client.create(ACCESS, "shop.com", FULL), SEEN)
    assert json.loads(request.content) == {"hostname": "shop.com", "ssl": FULL_SSL, **FULL_BESIDE}


async def test_what_stands_beside_ssl_is_read() -> None:
    result = {
        **SEEN,
        **FULL_BESIDE,
        "ownership_verification_http": {"http_url": "http://www.shop.com/x", "http_body": "b"},
        "ssl": {
            **SEEN["ssl"],
            "dcv_delegation_records": [{"cname": "_acme-challenge.x", "cname_target": "x.1.dcv"}],
        },
    }
    view = await answered(giving(result), CALLS["get"])
    assert view.ownership_http == ("http://www.shop.com/x", "b")
    assert view.delegation == ("_acme-challenge.x", "x.1.dcv")
    assert view.custom_metadata == {"tier": "gold"}


@pytest.mark.parametrize(
    ("wanted", "applied", "expected"),
    [
        (FULL, None, {"ssl": FULL_SSL, **FULL_BESIDE}),
        (
            ObjectSpec(method="http"),
            ObjectSpec(method="txt"),
            {"ssl": {"method": "http", "type": "dv"}},
        ),
        (
            ObjectSpec(method="txt"),
            FULL,
            {
                "ssl": {
                    "method": "txt",
                    "type": "dv",
                    "wildcard": False,
                    "certificate_authority": "",
                },
                "custom_origin_server": None,
                "custom_origin_sni": None,
                "custom_metadata": None,
            },
        ),
    ],
    ids=["all of it", "another method", "nothing any more"],
)
async def test_an_edit_says_what_is_wanted_and_resets_what_is_so_no_longer(
    wanted: ObjectSpec, applied: ObjectSpec | None, expected: dict[str, Any]
) -> None:
    call: Call = lambda client: client.edit(ACCESS, VIEW, wanted, applied=applied)  # noqa: E731
    request = await asked(call, SEEN)
    assert (request.method, str(request.url)) == ("PATCH", f"{CUSTOM_HOSTNAMES}/ch1")
    assert json.loads(request.content) == expected


async def test_an_edit_repeats_settings_that_were_not_chosen_here_and_nothing_else() -> None:
    ssl = {
        **SEEN["ssl"],
        "certificate_authority": "google",
        "settings": {"http2": "on", "new": {"x": 1}, "early_hints": "on"},
    }
    view = await answered(giving({**SEEN, "ssl": ssl}), CALLS["get"])
    applied = ObjectSpec(method="txt", settings={"early_hints": "on"})
    wanted = ObjectSpec(method="txt", settings={"min_tls_version": "1.2"})
    request = await asked(lambda c: c.edit(ACCESS, view, wanted, applied=applied), SEEN)
    said = json.loads(request.content)["ssl"]
    assert said["settings"] == {"http2": "on", "new": {"x": 1}, "min_tls_version": "1.2"}
    assert "certificate_authority" not in said
