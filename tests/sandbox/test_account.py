from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from .driver import DV_HTTP, DV_TXT, TARGET, Driver

ACCOUNT = "/control/cloudflare/account"
ALL = {
    "custom_metadata": True,
    "custom_origin": True,
    "certificate_authority": True,
    "wildcard": True,
    "quota_allocated": 100,
    "hard_cap": 50_000,
    "token": "active",
    "zone": "present",
}


async def allow(sandbox: Driver, **settings: object) -> dict[str, Any]:
    return dict(await sandbox.order("PUT", ACCOUNT, settings))


async def post(sandbox: Driver, hostname: str, **body: object) -> httpx.Response:
    content = {"hostname": hostname, "ssl": DV_TXT, **body}
    return await sandbox.api.post(sandbox.hostnames, json=content)


def refusal(answer: httpx.Response) -> tuple[int, int]:
    assert answer.json()["success"] is False
    return answer.status_code, answer.json()["errors"][0]["code"]


async def test_the_account_has_everything_and_settings_left_out_stay(sandbox: Driver) -> None:
    assert await allow(sandbox) == ALL
    assert await allow(sandbox, wildcard=False) == {**ALL, "wildcard": False}
    assert await allow(sandbox, hard_cap=7) == {**ALL, "wildcard": False, "hard_cap": 7}
    await sandbox.order("POST", "/control/reset")
    assert await allow(sandbox) == ALL


@pytest.mark.parametrize(
    ("right", "body", "expected"),
    [
        ("custom_metadata", {"custom_metadata": {"a": "b"}}, (403, 1413)),
        ("custom_origin", {"custom_origin_server": TARGET}, (403, 1414)),
        ("custom_origin", {"custom_origin_sni": TARGET}, (403, 1414)),
        (
            "certificate_authority",
            {"ssl": {**DV_TXT, "certificate_authority": "lets_encrypt"}},
            (403, 1459),
        ),
        ("wildcard", {"ssl": {**DV_TXT, "wildcard": True}}, (400, 1448)),
    ],
)
async def test_what_the_plan_does_not_have_is_refused_by_its_code(
    sandbox: Driver, right: str, body: dict[str, Any], expected: tuple[int, int]
) -> None:
    before = await sandbox.create("old.acme.com", DV_TXT)
    await allow(sandbox, **{right: False})
    path = f"{sandbox.hostnames}/{before['id']}"
    assert refusal(await post(sandbox, "new.acme.com", **body)) == expected
    assert refusal(await sandbox.api.patch(path, json=body)) == expected
    default = {**DV_TXT, "certificate_authority": ""}
    assert (await post(sandbox, "new.acme.com", ssl=default)).status_code == 201
    await allow(sandbox, **{right: True})
    assert (await post(sandbox, "other.acme.com", **body)).status_code == 201


async def test_a_starred_name_is_a_wildcard_to_the_plan(sandbox: Driver) -> None:
    await allow(sandbox, wildcard=False)
    assert refusal(await post(sandbox, "*.acme.com")) == (400, 1448)


async def test_the_quota_is_soft_and_the_hard_cap_is_not(sandbox: Driver) -> None:
    await allow(sandbox, quota_allocated=1, hard_cap=2)
    for name in ("a.acme.com", "b.acme.com"):
        await sandbox.create(name)
    quota = (await sandbox.api.get(f"{sandbox.hostnames}/quota")).json()["result"]
    assert quota == {"allocated": 1, "used": 2, "exceeded": True, "hard_cap": 2}
    assert refusal(await post(sandbox, "c.acme.com")) == (403, 1405)
    assert refusal(await post(sandbox, "a.acme.com")) == (409, 1406)
    await allow(sandbox, quota_allocated=0, hard_cap=0)
    assert refusal(await post(sandbox, "c.acme.com")) == (403, 1404)
    await sandbox.order("POST", "/control/cloudflare/seed", {"count": 5})
    quota = (await sandbox.api.get(f"{sandbox.hostnames}/quota")).json()["result"]
    assert quota == {"allocated": 0, "used": 7, "exceeded": True, "hard_cap": 0}


async def test_a_great_seed_leaves_room_under_a_cap_that_nobody_set(sandbox: Driver) -> None:
    await sandbox.order("POST", "/control/cloudflare/seed", {"count": 50_000})
    assert (await allow(sandbox))["hard_cap"] == 100_000
    await sandbox.create("shop.acme.com")


Call = Callable[[], Awaitable[httpx.Response]]


def calls(sandbox: Driver) -> dict[str, Call]:
    api, account = sandbox.api, sandbox.running.cloudflare_account_id
    return {
        "list": lambda: api.get(sandbox.hostnames),
        "create": lambda: post(sandbox, "shop.acme.com", ssl=DV_HTTP),
        "quota": lambda: api.get(f"{sandbox.hostnames}/quota"),
        "records": lambda: api.get(f"{sandbox.zone}/dns_records"),
        "zone": lambda: api.get(sandbox.zone),
        "verify": lambda: api.get("/user/tokens/verify"),
        "verify account": lambda: api.get(f"/accounts/{account}/tokens/verify"),
    }


@pytest.mark.parametrize(
    ("settings", "refused", "expected"),
    [
        ({"token": "revoked"}, set[str](), (401, 1000)),
        ({"token": "no_custom_hostnames"}, {"list", "create", "quota"}, (403, 9109)),
        ({"zone": "gone"}, {"list", "create", "quota", "records", "zone"}, (404, 7003)),
    ],
)
async def test_a_token_or_zone_that_is_gone_is_told_by_every_call_it_concerns(
    sandbox: Driver, settings: dict[str, str], refused: set[str], expected: tuple[int, int]
) -> None:
    await allow(sandbox, **settings)
    for name, call in calls(sandbox).items():
        answer = await call()
        if name in (refused or set(calls(sandbox))):
            assert refusal(answer) == expected, name
        else:
            assert answer.status_code == 200, name
    if "zone" in settings:
        assert (await sandbox.api.get("/zones")).json()["result"] == []
    await allow(sandbox, token="active", zone="present")
    for call in calls(sandbox).values():
        assert (await call()).is_success


@pytest.mark.parametrize(
    "body", [{"token": "lost"}, {"zone": "away"}, {"hard_cap": -1}, {"wildcard": "maybe"}]
)
async def test_impossible_accounts_are_refused(sandbox: Driver, body: object) -> None:
    assert (await sandbox.control.put(ACCOUNT, json=body)).status_code == 422
