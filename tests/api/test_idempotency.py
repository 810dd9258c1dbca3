"""Idempotency-Key: a request that is repeated is done once, and answered alike."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"


async def post(
    service: Service, key: str, body: dict[str, Any] | None, path: str = PATH, **headers: str
) -> httpx.Response:
    return await service.http.post(path, json=body, headers={"Idempotency-Key": key, **headers})


def wanted(label: str) -> dict[str, Any]:
    return {"hostname": f"{label}.once-tea.com", "tenant": "once"}


async def test_a_repeated_request_has_the_same_answer_and_says_so(shared_service: Service) -> None:
    first = await post(shared_service, "same-1", wanted("same"))
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    again = await post(
        shared_service, "same-1", {"tenant": "once", "hostname": "same.once-tea.com"}
    )
    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    without = await shared_service.http.post(PATH, json=wanted("same"))
    assert (without.status_code, "idempotent-replayed" in without.headers) == (200, False)


async def test_a_key_for_another_body_is_refused(shared_service: Service) -> None:
    await post(shared_service, "other-1", wanted("other"))
    again = await post(shared_service, "other-1", wanted("else"))
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert again.json()["errors"][0]["parameter"] == "Idempotency-Key"
    assert (await shared_service.http.get(f"{PATH}?hostname=else.once-tea.com")).json()[
        "data"
    ] == []


async def test_a_key_counts_for_one_api_key_and_one_path(shared_service: Service) -> None:
    first = await post(shared_service, "scope-1", wanted("scope"))
    path = f"{PATH}/{first.json()['id']}/refresh"
    refreshed = await post(shared_service, "scope-1", None, path)
    assert refreshed.status_code == 200
    assert "idempotent-replayed" not in refreshed.headers
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="another", scope="write")
    another = await post(
        shared_service, "scope-1", wanted("scope"), Authorization=f"Bearer {secret}"
    )
    assert (another.status_code, "idempotent-replayed" in another.headers) == (200, False)


async def test_a_repeated_refresh_or_change_is_done_once(shared_service: Service) -> None:
    hostname = await shared_service.create("twice.once-tea.com", "once")
    path = f"{PATH}/{hostname['id']}"
    headers = {"Idempotency-Key": "twice-1"}
    for _ in range(2):
        changed = await shared_service.http.patch(
            path, json={"metadata": {"n": 1}}, headers=headers
        )
        assert changed.status_code == 200
    assert changed.headers["idempotent-replayed"] == "true"
    revision = changed.json()["revision"]
    assert revision == hostname["revision"] + 1
    for _ in range(2):
        refreshed = await post(shared_service, "twice-1", None, f"{path}/refresh")
        assert refreshed.status_code == 200
    assert refreshed.headers["idempotent-replayed"] == "true"
    assert refreshed.json()["revision"] == revision + 1


async def test_a_refusal_uses_up_no_key(shared_service: Service) -> None:
    refused = await post(shared_service, "refused-1", {"hostname": "localhost", "tenant": "once"})
    assert refused.status_code == 422
    accepted = await post(shared_service, "refused-1", wanted("refused"))
    assert accepted.status_code == 201
    zone = await post(shared_service, "refused-2", None, "/v1/zones/default/resume")
    assert zone.status_code == 409
    paused = await post(shared_service, "refused-2", None, "/v1/zones/default/pause")
    assert paused.status_code == 200
    resumed = await post(shared_service, "refused-2", None, "/v1/zones/default/resume")
    assert resumed.status_code == 200
    again = await post(shared_service, "refused-2", None, "/v1/zones/default/resume")
    assert (again.status_code, again.json()) == (200, resumed.json())
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_endpoints_secret_is_shown_again_to_the_same_key_and_stored_encrypted(
    shared_service: Service,
) -> None:
    body = {"url": "http://127.0.0.1:9/hook", "event_types": []}
    path = "/v1/webhook-endpoints"
    first = await post(shared_service, "hook-1", body, path)
    again = await post(shared_service, "hook-1", body, path)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    stored = await shared_service.sql.fetchval(
        "SELECT answer FROM idempotent_requests WHERE key = 'hook-1'"
    )
    assert first.json()["secret"].encode() not in stored
    assert (
        await shared_service.sql.fetchval(
            "SELECT count(*) FROM webhook_endpoints WHERE url = $1", body["url"]
        )
        == 1
    )
    await shared_service.http.delete(f"{path}/{first.json()['id']}")


async def test_many_at_once_make_one_hostname(shared_service: Service) -> None:
    answers = await asyncio.gather(
        *(post(shared_service, "many-1", wanted("many")) for _ in range(40))
    )
    assert {each.status_code for each in answers} <= {201, 409}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {
        "idempotency_key_in_use"
    }
    assert sum(each.status_code == 201 for each in answers) >= 1
    late = await asyncio.gather(
        *(post(shared_service, "many-1", wanted("many")) for _ in range(20))
    )
    assert {each.status_code for each in late} == {201}
    assert len({each.json()["id"] for each in [*late, answers[0]] if each.status_code == 201}) == 1
    count = await shared_service.sql.fetchval(
        "SELECT count(*) FROM custom_hostnames WHERE hostname = 'many.once-tea.com'"
    )
    assert count == 1


async def test_a_request_whose_process_died_has_its_answer_once_its_lease_is_over(
    shared_service: Service,
) -> None:
    first = await post(shared_service, "died-1", wanted("died"))
    # As it stands while the request runs, and after its process was killed.
    await shared_service.sql.execute(
        "UPDATE idempotent_requests SET leased_until = nameplate_now() + interval '30 s' "
        "WHERE key = 'died-1'"
    )
    running = await post(shared_service, "died-1", wanted("died"))
    assert (running.status_code, running.json()["code"]) == (409, "idempotency_key_in_use")
    assert running.headers["retry-after"] == "1"
    await shared_service.advance(seconds=31)
    again = await post(shared_service, "died-1", wanted("died"))
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])


async def test_what_was_never_accepted_is_done_after_its_lease(shared_service: Service) -> None:
    path = "/v1/zones/default/setup"
    await post(shared_service, "setup-1", {}, path)
    await shared_service.sql.execute(
        "UPDATE idempotent_requests SET status = NULL, answer = NULL, "
        "leased_until = nameplate_now() + interval '30 s' WHERE key = 'setup-1'"
    )
    assert (await post(shared_service, "setup-1", {}, path)).status_code == 409
    await shared_service.advance(seconds=31)
    done = await post(shared_service, "setup-1", {}, path)
    assert (done.status_code, "idempotent-replayed" in done.headers) == (200, False)
    again = await post(shared_service, "setup-1", {}, path)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")


async def test_a_key_is_forgotten_after_a_day(shared_service: Service) -> None:
    await post(shared_service, "old-1", wanted("old"))
    await shared_service.sql.execute(
        "UPDATE idempotent_requests SET created_at = created_at - interval '25 hours' "
        "WHERE key = 'old-1'"
    )
    again = await post(shared_service, "old-1", {**wanted("old"), "hostname": "new.once-tea.com"})
    assert (again.status_code, "idempotent-replayed" in again.headers) == (201, False)


@pytest.mark.parametrize("key", ["", "with space", "k" * 256, "caf\u00e9"])
async def test_a_key_that_is_no_key_is_refused(shared_service: Service, key: str) -> None:
    response = await shared_service.http.post(
        PATH, json=wanted("odd"), headers=[(b"Idempotency-Key", key.encode())]
    )
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_invalid")


async def test_a_retry_that_overtakes_nobody_is_not_told_of_its_own_change(
    shared_service: Service,
) -> None:
    hostname = await shared_service.create("overlap.once-tea.com", "once")
    path = f"{PATH}/{hostname['id']}"
    etag = (await shared_service.http.get(path)).headers["etag"]
    headers = {"Idempotency-Key": "overlap-1", "If-Match": etag}

    async def change() -> httpx.Response:
        body = {"metadata": {"n": 1}}
        return await shared_service.http.patch(path, json=body, headers=headers)

    # Both have looked the key up by the time that the row is free.
    lock = shared_service.sql.transaction()
    await lock.start()
    await shared_service.sql.execute(
        "SELECT FROM schedules WHERE custom_hostname_id = $1 FOR UPDATE", hostname["id"]
    )
    both = [asyncio.create_task(change()) for _ in range(2)]
    await asyncio.sleep(1)
    await lock.rollback()
    answers = [await each for each in both]
    # The slower one finds the revision changed: by the faster one, which has the same key.
    assert {each.status_code for each in answers} <= {200, 409}, [each.text for each in answers]
    assert 200 in {each.status_code for each in answers}
    again = await change()
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json()["revision"] == hostname["revision"] + 1


async def test_a_key_for_a_hostname_that_existed_is_noted_too(shared_service: Service) -> None:
    hostname = await shared_service.create("held.once-tea.com", "once")
    first = await post(shared_service, "held-1", wanted("held"))
    assert (first.status_code, first.json()["id"]) == (200, hostname["id"])
    other = await post(shared_service, "held-1", {**wanted("held"), "metadata": {"n": 1}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await shared_service.http.delete(f"{PATH}/{hostname['id']}")
    again = await post(shared_service, "held-1", wanted("held"))
    assert (again.status_code, again.json()["id"]) == (200, hostname["id"])


@pytest.mark.parametrize("body", [b"[" * 100_000, b"not json", b"\xff"])
async def test_a_body_that_no_route_reads_may_be_anything(
    shared_service: Service, body: bytes
) -> None:
    hostname = await shared_service.create(f"odd-{len(body)}.once-tea.com", "once")
    path = f"{PATH}/{hostname['id']}/refresh"
    for _ in range(2):
        response = await shared_service.http.post(
            path, content=body, headers={"Idempotency-Key": f"odd-{len(body)}"}
        )
        assert response.status_code == 200
    assert response.headers["idempotent-replayed"] == "true"
