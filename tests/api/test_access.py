"""Who may call what: no route under /v1 answers without a key whose scope reaches far enough."""

from __future__ import annotations

import pytest

from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [
    ("GET", "/v1/custom-hostnames", "read"),
    ("POST", "/v1/custom-hostnames", "write"),
    ("DELETE", "/v1/custom-hostnames", "write"),
    ("GET", "/v1/custom-hostnames/x", "read"),
    ("PATCH", "/v1/custom-hostnames/x", "write"),
    ("DELETE", "/v1/custom-hostnames/x", "write"),
    ("POST", "/v1/custom-hostnames/x/refresh", "write"),
    ("POST", "/v1/custom-hostnames/x/adopt", "admin"),
    ("POST", "/v1/custom-hostnames/x/release", "admin"),
    ("GET", "/v1/custom-hostnames/x/records", "read"),
    ("GET", "/v1/custom-hostnames/x/events", "read"),
    ("GET", "/v1/resolve", "read"),
    ("GET", "/v1/webhook-endpoints", "read"),
    ("POST", "/v1/webhook-endpoints", "admin"),
    ("GET", "/v1/webhook-endpoints/x", "read"),
    ("DELETE", "/v1/webhook-endpoints/x", "admin"),
    ("GET", "/v1/zones", "read"),
    ("GET", "/v1/zones/x", "read"),
    ("POST", "/v1/zones/x/setup", "admin"),
    ("GET", "/v1/zones/x/budget", "read"),
    ("POST", "/v1/zones/x/pause", "admin"),
    ("POST", "/v1/zones/x/resume", "admin"),
]
SCOPES = ["read", "write", "admin"]


async def test_the_table_of_routes_is_the_whole_api(shared_service: Service) -> None:
    document = (await shared_service.http.get("/openapi.json")).json()
    described = {
        (method.upper(), path.replace("{id}", "x"))
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert described == {(method, path) for method, path, _ in ROUTES}


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
async def test_without_a_known_key_the_answer_is_401(
    shared_service: Service, method: str, path: str, needed: str
) -> None:
    for header in (b"", b"Bearer", b"Bearer np_wrong", b"Basic abc", b"Bearer \xc3\xa9"):
        response = await shared_service.http.request(
            method, path, headers=[(b"Authorization", header)]
        )
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), needed
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
async def test_a_key_reaches_as_far_as_its_scope_and_no_farther(
    shared_service: Service, method: str, path: str, needed: str
) -> None:
    for scope in SCOPES:
        key = await _key(shared_service, scope)
        response = await shared_service.http.request(
            method, path, headers={"Authorization": f"Bearer {key}"}
        )
        allowed = SCOPES.index(scope) >= SCOPES.index(needed)
        assert (response.status_code != 403) is allowed
        if not allowed:
            assert response.json()["code"] == "forbidden"


async def test_a_revoked_key_stops_working_within_its_five_seconds(
    shared_service: Service,
) -> None:
    key = await _key(shared_service, "read")
    now = 0.0
    async with open_database(shared_service.stack.database_url) as database:
        keys = ApiKeys(database, clock=lambda: now)
        assert await keys.find(key) is not None
        await shared_service.sql.execute("UPDATE api_keys SET revoked_at = now()")
        assert await keys.find(key) is not None
        now = 5.1
        assert await keys.find(key) is None
    await shared_service.sql.execute("UPDATE api_keys SET revoked_at = NULL")


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


_KEYS: dict[tuple[str, str], str] = {}


async def _key(service: Service, scope: str) -> str:
    known = _KEYS.get((service.stack.api, scope))
    if known is None:
        async with open_database(service.stack.database_url) as database:
            _, known = await ApiKeys(database).create(name="test", scope=scope)
        _KEYS[service.stack.api, scope] = known
    return known
