"""What the control API makes of single custom hostnames: made by hand, shown oddly."""

import json
from pathlib import Path
from typing import Any

import pytest

from .driver import DV_HTTP, DV_TXT, Driver, driven

BY_HAND = "/control/cloudflare/custom_hostnames"


async def listed(sandbox: Driver, **query: str) -> list[Any]:
    answer = await sandbox.api.get(sandbox.hostnames, params=query)
    return list(answer.json()["result"])


async def test_a_name_removed_and_made_again_by_hand_is_another_object(sandbox: Driver) -> None:
    first = await sandbox.create("shop.acme.com", DV_TXT)
    await sandbox.order("DELETE", f"{BY_HAND}/{first['id']}")
    made = await sandbox.order("POST", BY_HAND, {"hostname": "shop.acme.com", "ssl": DV_TXT})
    assert made["id"] != first["id"]
    assert made["ownership_verification"]["value"] != first["ownership_verification"]["value"]
    assert [row["id"] for row in await listed(sandbox)] == [made["id"]]
    assert (await sandbox.get(made["id"]))["ssl"]["method"] == "txt"


async def test_making_by_hand_is_no_call_and_no_creation_of_the_api(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 1, "creations": 1})
    for number in range(3):
        made = await sandbox.order("POST", BY_HAND, {"hostname": f"n{number}.acme.com"})
        assert made["ssl"]["method"] == "http"
    assert len(await listed(sandbox)) == 3
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert (calls["total"], calls["creations_refused"]) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"hostname": "taken.acme.com"},
        {"hostname": "192.0.2.1"},
        {},
        {"hostname": "a.acme.com", "custom_metadata": {"a": "b"}},
    ],
)
async def test_what_the_dashboard_would_refuse_is_refused(
    sandbox: Driver, body: dict[str, Any]
) -> None:
    await sandbox.create("taken.acme.com")
    answer = await sandbox.control.post(BY_HAND, json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]


async def odd(sandbox: Driver, hostname_id: str, patch: object, *nulls: str) -> Any:
    answer = await sandbox.control.put(
        f"{BY_HAND}/{hostname_id}/answer", content=json.dumps(patch), params={"null": list(nulls)}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_odd_object_is_shown_by_get_and_in_lists_and_others_are_not(
    sandbox: Driver,
) -> None:
    other = await sandbox.create("other.acme.com")
    hostname_id = (await sandbox.create("shop.acme.com", DV_TXT))["id"]
    await sandbox.advance(6)
    natural = await sandbox.get(hostname_id)
    patch = {"verification_errors": [None, 7], "status": None, "ssl": {"method": 5, "type": None}}
    shown = await odd(sandbox, hostname_id, patch)
    ssl = {key: value for key, value in natural["ssl"].items() if key != "type"}
    expected = {**natural, "verification_errors": [None, 7], "ssl": {**ssl, "method": 5}}
    del expected["status"]
    assert shown == expected
    assert await sandbox.get(hostname_id) == expected
    assert await listed(sandbox) == [await sandbox.get(other["id"]), expected]
    assert await listed(sandbox, hostname="shop.acme.com") == [expected]
    assert await odd(sandbox, hostname_id, {}) == natural
    assert await sandbox.get(hostname_id) == natural


async def test_members_are_shown_as_null_by_pointer_and_objects_can_be_no_objects(
    sandbox: Driver,
) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    shown = await odd(sandbox, hostname_id, {"status": 3}, "/ssl/method", "/created_at")
    assert (shown["status"], shown["ssl"]["method"], shown["created_at"]) == (3, None, None)
    assert shown["ssl"]["status"] == "initializing"
    shown = await odd(sandbox, hostname_id, {}, "/ssl")
    assert shown["ssl"] is None
    for patch in (None, "text", [1]):
        assert await odd(sandbox, hostname_id, patch) == patch
        assert await listed(sandbox) == [patch]


async def test_what_is_shown_oddly_goes_its_course_and_stays_odd_through_a_restart(
    tmp_path: Path,
) -> None:
    async with driven(tmp_path) as sandbox:
        hostname_id = (await sandbox.create("shop.acme.com"))["id"]
        await odd(sandbox, hostname_id, {"status": "unheard_of"})
    async with driven(tmp_path) as sandbox:
        assert (await sandbox.get(hostname_id))["status"] == "unheard_of"
        patched = await sandbox.patch(hostname_id, ssl=DV_HTTP)
        assert patched["status"] == "pending"
        assert [row["status"] for row in await listed(sandbox, hostname_status="pending")] == [
            "unheard_of"
        ]


async def test_an_odd_answer_needs_a_custom_hostname_and_json(sandbox: Driver) -> None:
    missing = "00000000-0000-4000-8000-000000000000"
    answer = await sandbox.control.put(f"{BY_HAND}/{missing}/answer", json={})
    assert answer.status_code == 404
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    answer = await sandbox.control.put(f"{BY_HAND}/{hostname_id}/answer", content=b"{")
    assert answer.status_code == 422
