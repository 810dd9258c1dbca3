"""What the API refuses: with a stable code and the field at fault, and never with a 500."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest

from app.api.hostname_list_schemas import HostnameQuery
from app.web.cursor import Cursors
from app.web.errors import field_error_of
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
_numbers = itertools.count()

HOSTNAMES = [
    ("nothing at all", "", "hostname_empty"),
    ("two dots", "..", "label_empty"),
    ("a label of 64 characters", "a" * 64 + ".com", "label_too_long"),
    ("254 characters", ".".join(["a" * 50] * 5) + ".com", "hostname_too_long"),
    ("a URL", "http://x.com/", "hostname_is_url"),
    ("a port", "x.com:443", "hostname_has_port"),
    ("an IPv4 address", "192.0.2.1", "hostname_is_ip"),
    ("an IPv4 address in hexadecimal", "0x7f000001", "hostname_is_ip"),
    ("an IPv4 address in octal", "0177.0.0.1", "hostname_is_ip"),
    ("an IPv4 address as one number", "2130706433", "hostname_is_ip"),
    ("an IPv6 address", "2001:db8::1", "hostname_is_ip"),
    ("an IPv6 address in brackets", "[::1]", "hostname_is_ip"),
    ("a lone wildcard", "*", "wildcard_misplaced"),
    ("two wildcards", "*.*.x.com", "wildcard_misplaced"),
    ("a wildcard inside", "a.*.com", "wildcard_misplaced"),
    ("a top-level domain", "com", "hostname_is_public_suffix"),
    ("a public suffix", "co.uk", "hostname_is_public_suffix"),
    ("this very machine", "localhost", "hostname_reserved"),
    ("an emoji", "\U0001f600.com", "hostname_not_idna"),
    ("mixed scripts", "p\u0430ypal.com", "hostname_mixes_scripts"),
    ("an underscore", "_dmarc.x.com", "hostname_invalid_character"),
    ("a control character", "a\x07b.com", "hostname_invalid_character"),
    ("NUL", "a\x00b.com", "hostname_invalid_character"),
    ("a right-to-left mark", "a\u200fb.com", "hostname_not_idna"),
    ("a megabyte", "a" * 1_000_000, "hostname_too_long"),
    ("the zone's own name", "nameplate-demo.net", "hostname_is_ours"),
    ("the CNAME target", "customers.nameplate-demo.net", "hostname_is_ours"),
    ("the fallback origin", "proxy-fallback.nameplate-demo.net", "hostname_is_ours"),
]

BODIES: list[tuple[str, Any, int, str]] = [
    ("no hostname", {"tenant": "t"}, 422, "invalid_request"),
    ("no tenant", {"hostname": "a.shop.com"}, 422, "invalid_request"),
    ("an empty tenant", {"hostname": "a.shop.com", "tenant": ""}, 422, "invalid_request"),
    ("NUL in the tenant", {"hostname": "a.shop.com", "tenant": "a\x00"}, 422, "invalid_request"),
    ("a number for a name", {"hostname": 7, "tenant": "t"}, 422, "invalid_request"),
    ("an unknown field", {"hostname": "a.shop.com", "tenant": "t", "x": 1}, 422, "invalid_request"),
    ("a list", [], 422, "invalid_request"),
    ("null", None, 422, "invalid_request"),
    (
        "an unknown plan",
        {"hostname": "a.shop.com", "tenant": "t", "plan": "magic"},
        422,
        "plan_not_available",
    ),
    (
        "a wildcard over HTTP",
        {"hostname": "*.shop.com", "tenant": "t", "plan": "simple"},
        422,
        "plan_not_available",
    ),
    (
        "an unknown zone",
        {"hostname": "a.shop.com", "tenant": "t", "zone": "zone_x"},
        422,
        "zone_unknown",
    ),
    (
        "NUL in the metadata",
        {"hostname": "a.shop.com", "tenant": "t", "metadata": {"a": ["\x00"]}},
        422,
        "invalid_request",
    ),
    (
        "a lone surrogate in the metadata",
        {"hostname": "a.shop.com", "tenant": "t", "metadata": {"a": "\ud800"}},
        422,
        "invalid_request",
    ),
    (
        "too much metadata",
        {"hostname": "a.shop.com", "tenant": "t", "metadata": {"a": "x" * 9000}},
        422,
        "invalid_request",
    ),
    *(
        (
            name,
            {"hostname": "a.shop.com", "tenant": "t", "labels": labels},
            422,
            "invalid_request",
        )
        for name, labels in {
            "too many labels": {f"k{n}": "v" for n in range(21)},
            "a label's key with a colon": {"a:b": "v"},
            "a label's key without characters": {"": "v"},
            "a label's key of 64 characters": {"k" * 64: "v"},
            "a label's value of 256 characters": {"k": "v" * 256},
            "a label's value that is a number": {"k": 1},
            "NUL in a label's value": {"k": "\x00"},
            "labels in a list": ["k"],
        }.items()
    ),
]


@pytest.mark.parametrize(
    ("hostname", "code"), [row[1:] for row in HOSTNAMES], ids=[row[0] for row in HOSTNAMES]
)
async def test_a_hostname_that_cannot_be_served_is_refused_with_its_reason(
    shared_service: Service, hostname: str, code: str
) -> None:
    response = await shared_service.http.post(PATH, json={"hostname": hostname, "tenant": "t"})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == "/hostname"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
async def test_a_body_that_is_not_as_described_is_refused(
    shared_service: Service, body: Any, status: int, code: str
) -> None:
    response = await posted(shared_service, body)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def posted(service: Service, body: Any) -> httpx.Response:
    """Post any JSON, which the client's own `json=` would leave out where it is null."""
    return await service.http.post(
        PATH, content=json.dumps(body), headers={"content-type": "application/json"}
    )


NEW = {"hostname": "a.shop.com", "tenant": "t"}
SENTENCES: list[tuple[str, Any, str, str]] = [
    ("a field is missing", {"hostname": "a.shop.com"}, "/tenant", "add it"),
    ("null for the body", None, "", "JSON object"),
    ("a field is unknown", {**NEW, "tenent": "t"}, "/tenent", "leave it out"),
    ("a name with a slash", {**NEW, "a/b~c": 1}, "/a~1b~0c", "leave it out"),
    ("a number for a string", {**NEW, "hostname": 7}, "/hostname", "quotes"),
    ("too short", {**NEW, "tenant": ""}, "/tenant", "1 characters or longer"),
    ("too long", {**NEW, "tenant": "t" * 129}, "/tenant", "128 characters or shorter"),
    ("too many", {**NEW, "tls": {"ciphers": ["A"] * 51}}, "/tls/ciphers", "50 items or fewer"),
    ("another value", {**NEW, "dcv_method": "x"}, "/dcv_method", "`http`, `txt` or `email`"),
    ("a string for an object", {**NEW, "tls": "on"}, "/tls", "JSON object"),
    ("a list for an object", {**NEW, "metadata": []}, "/metadata", "JSON object"),
    ("a list for the body", [], "", "JSON object"),
    ("a string for a list", {**NEW, "tls": {"ciphers": "A"}}, "/tls/ciphers", "JSON array"),
    ("NUL", {**NEW, "tenant": "\x00"}, "/tenant", "take them out"),
    ("too much", {**NEW, "metadata": {"a": "x" * 9000}}, "/metadata", "8192 characters or shorter"),
]
OF_PYDANTIC = ("Value error", "Input should", "permitted", "Field required", "valid dictionary")


@pytest.mark.parametrize(
    ("body", "pointer", "said"), [row[1:] for row in SENTENCES], ids=[row[0] for row in SENTENCES]
)
async def test_a_fault_is_told_in_a_sentence_with_the_way_out(
    shared_service: Service, body: Any, pointer: str, said: str
) -> None:
    response = await posted(shared_service, body)
    (fault,) = response.json()["errors"]
    assert fault["pointer"] == pointer
    assert said in fault["detail"]
    assert not any(text in response.text for text in OF_PYDANTIC)
    assert response.json()["detail"] == f"{pointer or 'The body'}: {fault['detail']}"


async def test_a_fault_without_a_sentence_keeps_pydantics_text() -> None:
    found = {"type": "value_error", "loc": ("body", "a"), "msg": "Value error, It is odd."}
    assert field_error_of(found) == {"pointer": "/a", "detail": "It is odd."}


async def test_a_query_is_told_in_a_sentence_too(shared_service: Service) -> None:
    for query, said in (("limit=0", "1 or more"), ("limit=x", "whole"), ("state=x", "`pending`")):
        response = await shared_service.http.get(f"{PATH}?{query}")
        (fault,) = response.json()["errors"]
        assert said in fault["detail"]
        assert response.json()["detail"] == f"{fault['parameter']}: {fault['detail']}"


async def test_a_body_that_is_not_json_is_a_bad_request(shared_service: Service) -> None:
    for content in (b"{", b"\xff\xfe", b"[" * 100_000):
        response = await shared_service.http.post(
            PATH, content=content, headers={"content-type": "application/json"}
        )
        assert response.status_code in {400, 422}, content[:10]
        assert response.headers["content-type"] == "application/problem+json"


async def test_json_sent_as_something_else_is_told_its_content_type(
    shared_service: Service,
) -> None:
    for content_type in ("application/x-www-form-urlencoded", "text/plain"):
        response = await shared_service.http.post(
            PATH,
            content=b'{"hostname": "a.shop.com", "tenant": "t"}',
            headers={"content-type": content_type},
        )
        assert (response.status_code, response.json()["code"]) == (400, "body_not_json")
        assert "application/json" in response.json()["detail"]


async def test_a_body_over_two_mebibytes_is_refused_announced_or_not(
    shared_service: Service,
) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * 1024 * 1024

    json_type = {"content-type": "application/json"}
    announced = await shared_service.http.post(
        PATH, content=b" " * (2 * 1024 * 1024 + 1), headers=json_type
    )
    streamed = await shared_service.http.post(PATH, content=chunks(), headers=json_type)
    for response in (announced, streamed):
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}/none",
        f"{PATH}/%00",
        f"{PATH}/..%2f..%2fetc",
        f"{PATH}/{'a' * 5000}",
        f"{PATH}/%ff%fe",
        f"{PATH}/none/events",
        f"{PATH}/none/records",
        "/v1/webhook-endpoints/none",
        "/v1/zones/none",
        "/v1/zones/%00",
        "/v1/nothing-here",
        "/",
    ],
)
async def test_what_does_not_exist_is_a_404_problem(shared_service: Service, path: str) -> None:
    response = await shared_service.http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_wrong_method_is_a_405_problem_that_says_which_are_right(
    shared_service: Service,
) -> None:
    for path, allowed in (
        (PATH, "DELETE, GET, HEAD, POST"),
        (f"{PATH}/x", "DELETE, GET, HEAD, PATCH"),
    ):
        response = await shared_service.http.put(path, json={})
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == allowed


async def test_what_answers_get_answers_head_without_a_body(shared_service: Service) -> None:
    for path in (PATH, "/healthz", "/v1/zones"):
        response = await shared_service.http.head(path)
        assert (response.status_code, response.content) == (200, b"")


async def test_a_trailing_slash_is_no_redirect_to_wherever_the_host_header_says(
    shared_service: Service,
) -> None:
    response = await shared_service.http.get(f"{PATH}/", headers={"Host": "evil.tea-party.com"})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_request"),
        ("limit=101", "invalid_request"),
        ("limit=x", "invalid_request"),
        ("state=flying", "invalid_request"),
        ("cursor=%00", "cursor_invalid"),
        ("cursor=bm9wZSE", "cursor_invalid"),
        ("tenant=%00", "invalid_request"),
        ("tenent=green", "query_unknown"),
        ("tenant=green&tenant=blue", "query_unknown"),
        ("state=", "invalid_request"),
        ("state=active,failed", "invalid_request"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(
    shared_service: Service, query: str, code: str
) -> None:
    response = await shared_service.http.get(f"{PATH}?{query}")
    assert (response.status_code, response.json()["code"]) == (422, code)
    (fault,) = response.json()["errors"]
    assert (fault["parameter"], "pointer" in fault) == (query.partition("=")[0], False)


async def test_a_query_parameter_that_is_unknown_or_given_twice_is_told_the_way_out(
    shared_service: Service,
) -> None:
    for path, said in (
        (f"{PATH}?tenent=green", "has `count`, `created_after`, `created_before`, `cursor`,"),
        (f"{PATH}?tenant=green&tenant=blue", "give it once"),
        ("/v1/zones?x=1", "/v1/zones has none"),
    ):
        response = await shared_service.http.get(path)
        assert said in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "cursors"),
    [
        ("/v1/api-keys", Cursors.of("api_keys")),
        ("/v1/webhook-endpoints", Cursors.of("webhook_endpoints")),
        (PATH, Cursors.of("custom_hostnames", HostnameQuery().list_conditions())),
    ],
)
async def test_a_forged_cursor_is_refused_before_the_database_is_asked(
    shared_service: Service, path: str, cursors: Cursors
) -> None:
    good = await shared_service.http.get(f"{path}?cursor={cursors.encode('x_1')}")
    assert good.status_code == 200
    with_nul = cursors.encode("a\x00b")
    forged = await shared_service.http.get(f"{path}?cursor={with_nul}")
    assert (forged.status_code, forged.json()["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize("condition", ["created_before", "created_after"])
@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1969-12-31T22:30:00Z",
        "9999-12-31T22:59:59Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
async def test_any_instant_bounds_a_list(
    shared_service: Service, condition: str, instant: str
) -> None:
    hostname = await shared_service.put_still(f"n{next(_numbers)}.instant-tea.com", "instant")
    page = await shared_service.http.get(f"{PATH}?tenant=instant&{condition}={instant}")
    assert page.status_code == 200, page.text
    is_in = (instant > "2000") is (condition == "created_before")
    assert (hostname["id"] in {each["id"] for each in page.json()["data"]}) is is_in


async def test_a_cursor_of_events_and_an_etag_are_named_as_parameters(
    shared_service: Service,
) -> None:
    path = f"{PATH}/{(await shared_service.create('named.rain-coat.com'))['id']}"
    events = await shared_service.http.get(f"{path}/events?cursor=x")
    assert events.json()["errors"][0]["parameter"] == "cursor"
    changed = await shared_service.http.patch(path, json={}, headers={"If-Match": "x"})
    assert changed.json()["errors"][0]["parameter"] == "If-Match"


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("https://10.0.0.1/hook", "address_not_allowed", "internal network"),
        ("https://169.254.169.254/latest", "address_not_allowed", "internal network"),
        ("https://[fd00::1]/", "address_not_allowed", "internal network"),
        ("https://x.internal/a", "address_not_allowed", "x.internal"),
        ("http://93.184.216.34/", "url_not_https", "https://"),
        ("ftp://hooks.provider.com/", "url_not_https", "https://"),
        ("https://user:secret@hooks.provider.com/", "url_invalid", "password"),
        ("https://hooks.provider.com:0/", "url_invalid", "Port 0"),
        ("not a url", "url_invalid", "a scheme and a host"),
        ("nope", "url_invalid", "a scheme and a host"),
        ("https://", "url_invalid", "a scheme and a host"),
        ("https://hooks.provider.com:99999/", "url_invalid", "a scheme and a host"),
    ],
)
async def test_a_webhook_address_that_may_not_be_called_is_refused(
    shared_service: Service, url: str, code: str, said: str
) -> None:
    response = await shared_service.http.post("/v1/webhook-endpoints", json={"url": url})
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["pointer"] == "/url"
    assert said in response.json()["detail"]


async def test_an_unknown_event_type_is_named_with_its_place(shared_service: Service) -> None:
    body = {
        "url": "https://hooks.provider.com/",
        "event_types": ["custom_hostname.active", "custom_hostname.flying"],
    }
    response = await shared_service.http.post("/v1/webhook-endpoints", json=body)
    assert response.json()["code"] == "event_type_unknown"
    assert response.json()["errors"][0]["pointer"] == "/event_types/1"
