"""Who may call what: every route, with every kind of key that does not reach as far."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest

from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
ENDPOINTS = "/v1/webhook-endpoints"
STREAM = "/v1/events/stream"
RESOLVE = "/v1/resolve"

NOT_FOUND = (404, "not_found")
BOUND = (403, "tenant_bound_key")
NOTHING = (200, None)
"""The list is answered, without what is another tenant's."""

ROUTES = [
    # Method, path, the scope that it needs, and the answer to a key that is bound to another tenant
    # than the one that is asked for. `{id}` is a resource of that tenant's.
    ("GET", PATH, "read", BOUND),
    ("POST", PATH, "write", BOUND),
    ("DELETE", PATH, "write", BOUND),
    ("GET", f"{PATH}/{{id}}", "read", NOT_FOUND),
    ("PATCH", f"{PATH}/{{id}}", "write", NOT_FOUND),
    ("DELETE", f"{PATH}/{{id}}", "write", NOT_FOUND),
    ("POST", f"{PATH}/{{id}}/refresh", "write", NOT_FOUND),
    ("POST", f"{PATH}/{{id}}/adopt", "admin", BOUND),
    ("POST", f"{PATH}/{{id}}/release", "admin", BOUND),
    ("GET", f"{PATH}/{{id}}/records", "read", NOT_FOUND),
    ("GET", f"{PATH}/{{id}}/events", "read", NOT_FOUND),
    ("GET", f"{PATH}/{{id}}/diagnosis", "read", NOT_FOUND),
    ("GET", "/v1/preflight", "read", BOUND),
    ("GET", "/v1/dangling", "read", BOUND),
    ("GET", RESOLVE, "read", NOT_FOUND),
    ("GET", "/v1/events", "read", BOUND),
    ("GET", STREAM, "read", BOUND),
    ("GET", "/v1/summary", "read", BOUND),
    ("GET", ENDPOINTS, "read", NOTHING),
    ("POST", ENDPOINTS, "admin", BOUND),
    ("GET", f"{ENDPOINTS}/{{id}}", "read", NOT_FOUND),
    ("PATCH", f"{ENDPOINTS}/{{id}}", "admin", NOT_FOUND),
    ("DELETE", f"{ENDPOINTS}/{{id}}", "admin", NOT_FOUND),
    ("POST", f"{ENDPOINTS}/{{id}}/rotate-secret", "admin", NOT_FOUND),
    ("POST", f"{ENDPOINTS}/{{id}}/test", "admin", NOT_FOUND),
    ("POST", f"{ENDPOINTS}/{{id}}/replay", "admin", NOT_FOUND),
    ("GET", f"{ENDPOINTS}/{{id}}/deliveries", "read", NOT_FOUND),
    ("GET", f"{ENDPOINTS}/{{id}}/deliveries/{{delivery_id}}", "read", NOT_FOUND),
    ("POST", f"{ENDPOINTS}/{{id}}/deliveries/{{delivery_id}}/redeliver", "admin", NOT_FOUND),
    ("GET", f"{ENDPOINTS}/{{id}}/statistics", "read", NOT_FOUND),
    ("GET", "/v1/zones", "read", BOUND),
    ("GET", "/v1/zones/{id}", "read", BOUND),
    ("POST", "/v1/zones/{id}/setup", "admin", BOUND),
    ("GET", "/v1/zones/{id}/budget", "read", BOUND),
    ("POST", "/v1/zones/{id}/pause", "admin", BOUND),
    ("POST", "/v1/zones/{id}/resume", "admin", BOUND),
    ("POST", "/v1/api-keys", "admin", BOUND),
    ("GET", "/v1/api-keys", "admin", BOUND),
    ("GET", "/v1/api-keys/{id}", "admin", BOUND),
    ("DELETE", "/v1/api-keys/{id}", "admin", BOUND),
]
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
"""Routes that need no key."""
NAMING = {
    ("GET", PATH): {"params": {"tenant": "theirs"}},
    ("POST", PATH): {"json": {"hostname": "new.access-tea.com", "tenant": "theirs"}},
    ("DELETE", PATH): {"params": {"tenant": "theirs"}},
    ("GET", "/v1/events"): {"params": {"tenant": "theirs"}},
    ("GET", STREAM): {"params": {"tenant": "theirs"}},
    ("GET", "/v1/summary"): {"params": {"tenant": "theirs"}},
    ("GET", "/v1/preflight"): {"params": {"tenant": "theirs", "hostname": "shop.preview.com"}},
    ("POST", ENDPOINTS): {"json": {"url": "http://127.0.0.1:9/x", "tenant": "theirs"}},
}
"""How a request without an id names the tenant that it is about."""
NEEDED = {f"{ENDPOINTS}/{{id}}/replay": {"since": "2026-11-26T00:00:00Z"}}
"""The bodies that routes cannot do without."""
SCOPES = ["read", "write", "admin"]


async def test_the_table_of_routes_is_the_whole_api(shared_service: Service) -> None:
    document = (await shared_service.http.get("/openapi.json")).json()
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described == {(method, path) for method, path, *_ in ROUTES} | OPEN


async def test_without_a_valid_key_the_answer_is_401(shared_service: Service) -> None:
    gone = [await _key(shared_service, "admin", name=name) for name in ("revoked", "expired")]
    headers = [b"", b"Bearer", b"Bearer np_wrong", b"Basic abc", b"Bearer \xc3\xa9"]
    await shared_service.sql.execute(
        "UPDATE api_keys SET revoked_at = now() WHERE name = 'revoked'"
    )
    await shared_service.sql.execute(
        "UPDATE api_keys SET expires_at = nameplate_now() WHERE name = 'expired'"
    )
    for header in (*headers, *(f"Bearer {key}".encode() for key in gone)):
        for method, path, *_ in ROUTES:
            response = await shared_service.http.request(
                method, _url(path, "x"), headers=[(b"Authorization", header)]
            )
            answer = (response.status_code, response.json()["code"])
            assert answer == (401, "unauthenticated"), (header, method, path)
            assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "needed", "_foreign"), ROUTES)
async def test_a_key_reaches_as_far_as_its_scope_and_no_farther(
    shared_service: Service, method: str, path: str, needed: str, _foreign: object
) -> None:
    for scope in SCOPES:
        key = await _key(shared_service, scope)
        # A number that is none, so that no stream begins.
        response = await shared_service.http.request(
            method,
            _url(path, "x"),
            headers=_bearer(key),
            params={"after": "none"} if path == STREAM else None,
        )
        allowed = SCOPES.index(scope) >= SCOPES.index(needed)
        assert (response.status_code != 403) is allowed
        if not allowed:
            assert response.json()["code"] == "forbidden"


@pytest.mark.parametrize(("method", "path", "_needed", "foreign"), ROUTES)
async def test_a_bound_key_does_not_reach_what_is_another_tenants(
    shared_service: Service,
    method: str,
    path: str,
    _needed: str,
    foreign: tuple[int, str | None],
) -> None:
    bound = _bearer(await _key(shared_service, "write", tenant="ours"))
    theirs = await _resource(shared_service, path, "theirs")
    more: dict[str, Any] = NAMING.get((method, path), {})
    response = await shared_service.http.request(method, _url(path, theirs), headers=bound, **more)
    assert (response.status_code, response.json().get("code")) == foreign
    if foreign == NOT_FOUND:
        other = f"other.{theirs}" if path == RESOLVE else theirs[:-1] + "_"
        unknown = await shared_service.http.request(method, _url(path, other), headers=bound)
        shown = unknown.json()["detail"].replace(other, theirs)
        assert response.json() == unknown.json() | {"detail": shown}
    if foreign == NOTHING:
        assert response.json() == {"data": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path, _, answer in ROUTES if answer != BOUND]
)
async def test_a_bound_key_reaches_what_is_its_tenants_as_far_as_its_scope(
    shared_service: Service, method: str, path: str
) -> None:
    ours = _url(path, await _resource(shared_service, path, "ours"))
    for scope in ("read", "write"):
        bound = _bearer(await _key(shared_service, scope, tenant="ours"))
        body = NEEDED.get(path, {}) if method == "PATCH" or path in NEEDED else None
        response = await shared_service.http.request(method, ours, headers=bound, json=body)
        if scope == "read" and method != "GET":
            assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        else:
            assert response.is_success, response.text


async def test_keys_and_secrets_are_not_in_the_database_as_they_are(
    shared_service: Service,
) -> None:
    key = await _key(shared_service, "read")
    created = await shared_service.http.post(
        "/v1/webhook-endpoints", json={"url": f"{shared_service.stack.receiver}/x"}
    )
    secret = created.json()["secret"]
    secrets = [key, shared_service.stack.api_key, secret, shared_service.stack.cloudflare_token]
    for table in ("api_keys", "webhook_endpoints", "zones", "events"):
        rows = await shared_service.sql.fetch(f"SELECT * FROM {table}")  # noqa: S608
        dumped = repr([dict(row) for row in rows])
        assert rows or table == "events"
        assert not [each for each in secrets if each in dumped]


async def test_health_and_readiness_need_no_key(shared_service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        response = await shared_service.http.get(path, headers={"Authorization": ""})
        assert response.status_code == 200


async def test_every_answer_carries_a_request_id_and_the_security_headers(
    shared_service: Service,
) -> None:
    response = await shared_service.http.get("/healthz", headers={"X-Request-Id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    assert response.headers["x-content-type-options"] == "nosniff"
    made_up = await shared_service.http.get("/healthz", headers={"X-Request-Id": "a b;c"})
    assert made_up.headers["x-request-id"] not in {"", "a b;c"}


_DELIVERIES: dict[str, str] = {}
"""A delivery of each endpoint that was made for a path about one."""
_KEYS: dict[tuple[str | None, ...], str] = {}


async def _key(
    service: Service, scope: str, *, tenant: str | None = None, name: str = "test"
) -> str:
    which = (service.stack.api, scope, tenant, name)
    known = _KEYS.get(which)
    if known is None:
        async with open_database(service.stack.database_url) as database:
            _, known = await ApiKeys(database).create(name=name, scope=scope, tenant=tenant)
        _KEYS[which] = known
    return known


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def _resource(service: Service, path: str, tenant: str) -> str:
    """Make a resource of the tenant's, of the kind that this path is about. Return its id."""
    if path.startswith(ENDPOINTS):
        body = {"url": f"{service.stack.receiver}/{tenant}", "tenant": tenant}
        key = _bearer(await _key(service, "write", tenant=tenant))
        made = (await service.http.post(ENDPOINTS, json=body, headers=key)).json()
        if "{delivery_id}" in path:
            sent = await service.http.post(f"{ENDPOINTS}/{made['id']}/test", headers=key)
            _DELIVERIES[made["id"]] = sent.json()["id"]
            await service.eventually(partial(_has_ended, service, sent.json()["id"]))
        return str(made["id"])
    if path.startswith(PATH):
        name = f"n{next(_numbers)}.access-tea.com"
        return str((await service.put_still(name, tenant))["id"])
    if path == RESOLVE:
        name = f"n{next(_numbers)}.access-tea.com"
        return str((await service.put_still(name, tenant))["hostname"])
    return "default"


async def _has_ended(service: Service, delivery_id: str) -> bool:
    query = "SELECT status <> 'pending' FROM deliveries WHERE id = $1"
    return bool(await service.sql.fetchval(query, delivery_id))


def _url(path: str, resource: str) -> str:
    if path == RESOLVE:
        return f"{path}?hostname={resource}"
    delivery = _DELIVERIES.get(resource, "dlv_unknown")
    return path.replace("{id}", resource).replace("{delivery_id}", delivery)


_numbers = itertools.count()
