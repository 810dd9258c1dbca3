"""Webhook endpoints at work: rotated, limited, disabled, sent to once more, and looked at."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from app.domain.webhook_endpoint import FAILING_FOR
from tests.support import Service

ENDPOINTS = "/v1/webhook-endpoints"
CREATED = ["custom_hostname.created"]


async def add(service: Service, **more: Any) -> dict[str, Any]:
    body = {"url": f"{service.stack.receiver}/hooks", **more}
    response = await service.http.post(ENDPOINTS, json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def post(service: Service, path: str, **body: Any) -> Any:
    response = await service.http.post(f"{ENDPOINTS}/{path}", json=body)
    assert response.is_success, response.text
    return response.json()


async def change(service: Service, endpoint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    response = await service.http.patch(f"{ENDPOINTS}/{endpoint['id']}", json=fields)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def shown(service: Service, endpoint: dict[str, Any]) -> dict[str, Any]:
    return dict((await service.http.get(f"{ENDPOINTS}/{endpoint['id']}")).json())


async def deliveries(
    service: Service, endpoint: dict[str, Any], **filters: Any
) -> list[dict[str, Any]]:
    path = f"{ENDPOINTS}/{endpoint['id']}/deliveries"
    response = await service.http.get(path, params={"limit": 100, **filters})
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def received(service: Service, count: int) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []

    async def is_there() -> bool:
        got[:] = await service.world.deliveries()
        return len(got) >= count

    await service.eventually(is_there)
    return got


async def until_settled(
    service: Service, endpoint: dict[str, Any], status: str, count: int = 1
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def is_settled() -> bool:
        found[:] = await deliveries(service, endpoint, status=status)
        return len(found) >= count

    await service.eventually(is_settled)
    return found


async def made_so_far(service: Service) -> int:
    return int(await service.sql.fetchval("SELECT coalesce(sum(attempts), 0) FROM deliveries"))


async def answer(service: Service, **how: Any) -> None:
    await service.world.control("PUT", "/receiver", **how)


def verifies(secret: str, delivery: dict[str, Any]) -> bool:
    try:
        Webhook(secret).verify(delivery["raw_body"], delivery["headers"])
    except Exception:  # noqa: BLE001 - whatever it says, it is no
        return False
    return True


async def test_a_rotated_secret_signs_beside_the_previous_one_until_the_overlap_is_over(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED)
    rotated = await post(service, f"{endpoint['id']}/rotate-secret", overlap_hours=2)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != endpoint["secret"]
    assert rotated["previous_secret_until"] is not None
    assert "secret" not in await shown(service, endpoint)
    await service.create("shop.two-keys.com")
    (both,) = await received(service, 1)
    # Recorded, or its lease would end with the advance.
    await until_settled(service, endpoint, "succeeded")
    assert len(both["headers"]["webhook-signature"].split(" ")) == 2
    assert verifies(endpoint["secret"], both)
    assert verifies(rotated["secret"], both)
    await service.advance(hours=2, seconds=1)
    await service.create("shop.one-key.com")
    (_, one) = await received(service, 2)
    assert not verifies(endpoint["secret"], one)
    assert verifies(rotated["secret"], one)


async def test_a_rotation_without_overlap_ends_the_previous_secret_at_once(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED)
    rotated = await post(service, f"{endpoint['id']}/rotate-secret", overlap_hours=0)
    await service.create("shop.stolen-key.com")
    (got,) = await received(service, 1)
    assert not verifies(endpoint["secret"], got)
    assert verifies(rotated["secret"], got)


async def test_an_endpoint_may_have_its_messages_signed_with_a_private_key(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED, signing="ed25519")
    assert endpoint["secret"] is None
    assert endpoint["public_key"].startswith("whpk_")
    await service.create("shop.public-key.com")
    (got,) = await received(service, 1)
    version, _, signature = got["headers"]["webhook-signature"].partition(",")
    assert version == "v1a"
    headers = got["headers"]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{got['raw_body']}"
    key = base64.b64decode(endpoint["public_key"].removeprefix("whpk_"))
    Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature), content.encode())


async def test_an_endpoint_gets_the_types_that_its_wildcards_fit(service: Service) -> None:
    of_zones = await add(service, event_types=["zone.*"])
    of_all = await add(service, event_types=["*"])
    paused = await service.http.post("/v1/zones/default/pause")
    assert paused.status_code == 200
    await service.create("shop.wild-cards.com")
    kinds = {each["event_type"] for each in await until_settled(service, of_all, "succeeded", 2)}
    assert kinds == {"zone.paused", "custom_hostname.created"}
    (only,) = await until_settled(service, of_zones, "succeeded")
    assert only["event_type"] == "zone.paused"


async def test_an_endpoint_that_answers_410_is_disabled_and_the_others_are_told(
    service: Service,
) -> None:
    watcher = await add(service, event_types=["webhook_endpoint.*"])
    endpoint = await add(service, event_types=CREATED)
    await answer(service, status=410)
    await service.create("shop.gone-fishing.com")

    async def is_disabled() -> bool:
        return not (await shown(service, endpoint))["enabled"]

    await service.eventually(is_disabled)
    disabled = await shown(service, endpoint)
    assert disabled["disabled_reason"] == "gone"
    (given_up,) = await deliveries(service, endpoint)
    assert (given_up["status"], given_up["attempts"]) == ("exhausted", 1)
    (told,) = await deliveries(service, watcher)
    assert told["subject"] == endpoint["id"]
    assert told["event_type"] == "webhook_endpoint.disabled"

    async def is_in_the_feed() -> bool:
        feed = await service.http.get("/v1/events?type=webhook_endpoint.disabled")
        named = [each["data"]["webhook_endpoint"]["id"] for each in feed.json()["data"]]
        return endpoint["id"] in named

    await service.eventually(is_in_the_feed)
    # Nothing more is made for it.
    await service.create("shop.not-for-it.com")
    assert len(await deliveries(service, endpoint)) == 1


async def test_an_endpoint_that_fails_for_five_days_is_disabled_and_what_waits_is_given_up(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED)
    await answer(service, status=500)
    await service.create("shop.long-night.com")

    async def is_failing() -> bool:
        return (await shown(service, endpoint))["failing_since"] is not None

    await service.eventually(is_failing)
    for day in range(FAILING_FOR.days + 1):
        assert (await shown(service, endpoint))["enabled"]
        await service.create(f"shop.day-{day}.com")
        before = await service.sql.fetchval("SELECT max(failed_at) FROM webhook_endpoints")
        # The clock stands still until then: failures more than a day apart are no series.
        await service.advance(hours=23)

        async def has_failed_again(before: datetime = before) -> bool:
            now = await service.sql.fetchval("SELECT max(failed_at) FROM webhook_endpoints")
            return bool(now > before + timedelta(hours=20))

        await service.eventually(has_failed_again)

    async def is_disabled() -> bool:
        return not (await shown(service, endpoint))["enabled"]

    await service.eventually(is_disabled)
    assert (await shown(service, endpoint))["disabled_reason"] == "failing"

    async def nothing_waits() -> bool:
        return not await deliveries(service, endpoint, status="pending")

    # What is being recorded at that moment is ended a little later.
    await service.eventually(nothing_waits)
    ended = await deliveries(service, endpoint, status="exhausted")
    assert "endpoint_disabled" in {each["reason"] for each in ended}


async def test_what_a_disabled_endpoint_missed_is_replayed_once_it_is_enabled(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED)
    since = endpoint["created_at"]
    disabled = await change(service, endpoint, enabled=False)
    assert disabled["disabled_reason"] == "by_hand"
    names = [f"shop.missed-{number}.com" for number in range(3)]
    for name in names:
        await service.create(name)
    refused = await service.http.post(
        f"{ENDPOINTS}/{endpoint['id']}/replay", json={"since": since, "include": "undelivered"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
    enabled = await change(service, endpoint, enabled=True)
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    failed = await post(service, f"{endpoint['id']}/replay", since=since, include="failed")
    assert failed == {"replayed": 0, "next_cursor": None}
    missed = await post(service, f"{endpoint['id']}/replay", since=since, include="undelivered")
    assert missed == {"replayed": 3, "next_cursor": None}
    got = await received(service, 3)
    assert {each["body"]["data"]["custom_hostname"]["hostname"] for each in got} == set(names)
    await until_settled(service, endpoint, "succeeded", 3)
    again = await post(service, f"{endpoint['id']}/replay", since=since, include="undelivered")
    assert again["replayed"] == 0
    everything = await post(service, f"{endpoint['id']}/replay", since=since, include="all")
    assert everything["replayed"] == 3
    got = await received(service, 6)
    assert len({each["headers"]["webhook-id"] for each in got}) == 3


async def test_a_delivery_that_was_given_up_is_sent_once_more_by_a_schedule_of_its_own(
    service: Service,
) -> None:
    endpoint = await add(service, event_types=CREATED)
    await answer(service, status=503, text="the cellar is flooded")
    await service.create("shop.second-chance.com")

    for number in range(1, 9):

        async def is_recorded(number: int = number) -> bool:
            return await made_so_far(service) == number

        # An attempt whose lease is over before it is recorded is made again.
        await service.eventually(is_recorded)
        await service.advance(hours=11)
    await until_settled(service, endpoint, "exhausted")
    (given_up,) = await deliveries(service, endpoint)
    path = f"{endpoint['id']}/deliveries/{given_up['id']}"
    made = (await service.http.get(f"{ENDPOINTS}/{path}")).json()["attempts_made"]
    assert [each["number"] for each in made] == list(range(8, 0, -1))
    assert {each["status_code"] for each in made} == {503}
    assert {each["answer"] for each in made} == {"the cellar is flooded"}
    again = await post(service, f"{path}/redeliver")
    assert again["status"] == "pending"

    async def has_nine() -> bool:
        (now,) = await deliveries(service, endpoint)
        return bool(now["attempts"] >= 9 and now["status"] == "pending")

    await service.eventually(has_nine)
    await answer(service, status=200)
    await service.advance(minutes=6)
    (done,) = await until_settled(service, endpoint, "succeeded")
    assert done["attempts"] >= 10


async def test_an_endpoint_that_asks_to_wait_is_given_the_time(service: Service) -> None:
    endpoint = await add(service, event_types=CREATED)
    await answer(service, status=429, retry_after="3600")
    await service.create("shop.patience.com")

    async def has_waited() -> bool:
        (one,) = await deliveries(service, endpoint)
        return bool(one["attempts"] == 1)

    await service.eventually(has_waited)
    (one,) = await deliveries(service, endpoint)
    wait = datetime.fromisoformat(one["next_attempt_at"]) - datetime.fromisoformat(
        one["created_at"]
    )
    assert timedelta(minutes=59) < wait < timedelta(minutes=62)


async def test_a_rate_limit_spreads_what_is_sent(service: Service) -> None:
    endpoint = await add(service, event_types=["custom_hostname.*"], rate_limit=1)
    await service.world.control("PUT", "/receiver", secrets=[endpoint["secret"]])
    for number in range(4):
        await post(service, f"{endpoint['id']}/test", type="custom_hostname.active")
        assert number < 4
    first = await received(service, 1)
    # The rest waits for real seconds, or for the clock.
    assert len(first) < 4
    await service.advance(seconds=1)
    await received(service, 2)
    for _ in range(3):
        await service.advance(seconds=1)
        await asyncio.sleep(0.3)
    assert all(each["verified"] for each in await received(service, 4))


async def test_a_test_event_reaches_one_endpoint_and_is_not_in_the_feed(service: Service) -> None:
    endpoint = await add(service, event_types=CREATED)
    other = await add(service)
    sent = await post(service, f"{endpoint['id']}/test", type="custom_hostname.failed")
    assert (sent["event_id"], sent["event_type"]) == (None, "custom_hostname.failed")
    (got,) = await received(service, 1)
    assert got["headers"]["webhook-id"] == sent["id"]
    assert got["body"]["type"] == "custom_hostname.failed"
    (done,) = await until_settled(service, endpoint, "succeeded")
    assert done["id"] == sent["id"]
    assert await deliveries(service, other) == []
    assert (await service.http.get("/v1/events")).json()["data"] == []


async def test_a_hostname_with_much_metadata_is_sent_thin(service: Service) -> None:
    await add(service, event_types=CREATED)
    body = {"hostname": "shop.heavy-load.com", "tenant": "t", "metadata": {"note": "é" * 8000}}
    created = await service.http.post("/v1/custom-hostnames", json=body)
    assert created.is_success, created.text
    (got,) = await received(service, 1)
    data = got["body"]["data"]
    assert data["thin"] is True
    assert data["custom_hostname"]["hostname"] == "shop.heavy-load.com"
    assert data["custom_hostname"]["link"] == f"/v1/custom-hostnames/{created.json()['id']}"
    assert len(got["raw_body"]) < 4000


async def test_statistics_tell_what_succeeded_and_what_waits(service: Service) -> None:
    endpoint = await add(service, event_types=CREATED)
    await service.create("shop.fine-weather.com")
    await until_settled(service, endpoint, "succeeded")
    await answer(service, status=500)
    await service.create("shop.bad-weather.com")

    async def has_failed() -> bool:
        path = f"{ENDPOINTS}/{endpoint['id']}/statistics"
        found = (await service.http.get(path)).json()
        return bool(found["failed"])

    await service.eventually(has_failed)
    found = (await service.http.get(f"{ENDPOINTS}/{endpoint['id']}/statistics?hours=1")).json()
    assert found["succeeded"] == 1
    assert found["failed"] >= 1
    assert (found["waiting"], found["waiting_is_exact"]) == (1, True)
    assert found["oldest_waiting_at"] is not None
    assert found["duration_ms"]["p50"] > 0


async def test_deliveries_are_listed_by_page_and_filter(service: Service) -> None:
    endpoint = await add(service)
    hostnames = [await service.create(f"shop.page-{number}.com") for number in range(3)]
    for hostname in hostnames:
        await service.until_state(hostname["id"], "validating")
    everything = await deliveries(service, endpoint)
    path = f"{ENDPOINTS}/{endpoint['id']}/deliveries"
    page = (await service.http.get(path, params={"limit": 4})).json()
    rest = (await service.http.get(path, params={"limit": 4, "cursor": page["next_cursor"]})).json()
    ids = [each["id"] for each in (*page["data"], *rest["data"])]
    assert ids == [each["id"] for each in everything][: len(ids)]
    assert len(ids) == len(everything) == 6
    of_one = await deliveries(service, endpoint, subject=hostnames[0]["id"])
    assert {each["subject"] for each in of_one} == {hostnames[0]["id"]}
    of_type = await deliveries(service, endpoint, event_type="custom_hostname.created")
    assert len(of_type) == 3
    other = await service.http.get(
        path, params={"cursor": page["next_cursor"], "status": "pending"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "cursor_invalid")
    later = await deliveries(service, endpoint, since=everything[0]["created_at"])
    assert [each["id"] for each in later] == [everything[0]["id"]]


async def test_a_removed_endpoints_deliveries_are_cancelled(service: Service) -> None:
    endpoint = await add(service, event_types=CREATED)
    await answer(service, status=500)
    await service.create("shop.called-off.com")
    await service.eventually(lambda: _attempted(service))
    gone = await service.http.delete(f"{ENDPOINTS}/{endpoint['id']}")
    assert gone.status_code == 204
    rows = await service.sql.fetch("SELECT status, reason FROM deliveries")
    assert [tuple(row) for row in rows] == [("cancelled", "endpoint_removed")]


async def _attempted(service: Service) -> bool:
    return bool(await service.sql.fetchval("SELECT count(*) FROM attempts"))
