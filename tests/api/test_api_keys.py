"""`/v1/api-keys`: created, shown once, listed, revoked."""

from __future__ import annotations

import httpx
import pytest

from app.api.api_key_schemas import ApiKeyCreated, ApiKeyOut, ApiKeyPage
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/api-keys"


async def create(service: Service, **body: object) -> dict[str, str]:
    response = await service.http.post(PATH, json=body)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"{PATH}/{response.json()['id']}"
    return dict(response.json())


async def call(service: Service, secret: str) -> httpx.Response:
    return await service.http.get(
        "/v1/custom-hostnames", headers={"Authorization": f"Bearer {secret}"}
    )


async def test_a_key_is_shown_once_and_recognised_by_its_beginning(
    shared_service: Service,
) -> None:
    body = {
        "name": "shop",
        "scope": "read",
        "tenant": "green",
        "expires_at": "2999-01-01T00:00:00+01:00",
    }
    made = ApiKeyCreated.model_validate(await create(shared_service, **body))
    assert made.secret.startswith("np_")
    assert (made.prefix, len(made.prefix or "")) == (made.secret[:7], 7)
    assert (await call(shared_service, made.secret)).status_code == 200
    shown = await shared_service.http.get(f"{PATH}/{made.id}")
    assert "secret" not in shown.json()
    key = ApiKeyOut.model_validate(shown.json())
    assert (key.name, key.scope, key.tenant) == ("shop", "read", "green")
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2998-12-31T23:00:00+00:00"


async def test_keys_are_listed_newest_first_a_page_at_a_time(shared_service: Service) -> None:
    made = [(await create(shared_service, name=f"page {n}"))["id"] for n in range(3)]
    first = (await shared_service.http.get(f"{PATH}?limit=2")).json()
    ApiKeyPage.model_validate(first)
    assert [each["id"] for each in first["data"]] == made[:0:-1]
    rest = await shared_service.http.get(f"{PATH}?cursor={first['next_cursor']}")
    assert rest.json()["data"][0]["id"] == made[0]
    # The key from the settings is the oldest. Its beginning is nobody's to see.
    assert (rest.json()["data"][-1]["name"], rest.json()["data"][-1]["prefix"]) == (
        "bootstrap",
        None,
    )


async def test_a_revoked_key_stays_revoked_and_listed(shared_service: Service) -> None:
    made = await create(shared_service, name="short-lived")
    assert (await call(shared_service, made["secret"])).status_code == 200
    first = await shared_service.http.delete(f"{PATH}/{made['id']}")
    assert first.status_code == 200
    assert ApiKeyOut.model_validate(first.json()).revoked_at is not None
    again = await shared_service.http.delete(f"{PATH}/{made['id']}")
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await shared_service.http.get(f"{PATH}/{made['id']}")).json() == first.json()
    assert (await shared_service.http.delete(f"{PATH}/key_unknown")).status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"scope": "admin", "tenant": "green"}, "admin_key_bound", "/tenant"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expiry_past", "/expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "invalid_request", "/expires_at"),
        ({"expires_at": 32472144000}, "invalid_request", "/expires_at"),
        ({"scope": "god"}, "invalid_request", "/scope"),
        ({"name": ""}, "invalid_request", "/name"),
        ({"tenant": ""}, "invalid_request", "/tenant"),
        ({"hash": "x"}, "invalid_request", "/hash"),
    ],
)
async def test_a_key_that_cannot_be_meant_is_refused(
    shared_service: Service, body: dict[str, str], code: str, pointer: str
) -> None:
    response = await shared_service.http.post(PATH, json=body)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["pointer"] == pointer


async def test_a_repeated_request_makes_one_key_and_shows_it_again(
    shared_service: Service,
) -> None:
    headers = {"Idempotency-Key": "key-1"}
    first, again = [
        await shared_service.http.post(PATH, json={"name": "once"}, headers=headers)
        for _ in range(2)
    ]
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    made = await shared_service.sql.fetchval("SELECT count(*) FROM api_keys WHERE name = 'once'")
    assert made == 1
    rows = await shared_service.sql.fetch("SELECT answer FROM idempotent_requests")
    assert first.json()["secret"].encode() not in b"".join(row["answer"] or b"" for row in rows)


async def test_a_revocation_forgets_the_answer_that_shows_the_key(shared_service: Service) -> None:
    made, kept = [
        await shared_service.http.post(PATH, json={}, headers={"Idempotency-Key": name})
        for name in ("forgotten-1", "kept-1")
    ]
    count = "SELECT count(*) FROM idempotent_requests WHERE resource_id = $1"
    for each in (made, kept):
        assert await shared_service.sql.fetchval(count, each.json()["id"]) == 1
    await shared_service.http.delete(f"{PATH}/{made.json()['id']}")
    assert await shared_service.sql.fetchval(count, made.json()["id"]) == 0
    assert await shared_service.sql.fetchval(count, kept.json()["id"]) == 1
