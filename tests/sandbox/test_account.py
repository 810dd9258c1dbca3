from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from .driver import DV_HTTP, DV_TXT, TARGET, Driver

ACCOUNT = "/control/cloudflare/account"
AT_FIRST = {
    "certificate_authority": False,
    "custom_metadata": False,
    "custom_origin": False,
    "custom_origin_sni": False,
    "wildcard": True,
    "authorities": ["google", "lets_encrypt", "ssl_com"],
    "saas_enabled": True,
    "saas_disabled_status": 403,
    "quota_allocated": 100,
    "hard_cap": 50_000,
    "may_pass_hard_cap": False,
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


async def test_the_account_has_what_most_users_have_and_settings_left_out_stay(
    sandbox: Driver,
) -> None:
    assert await allow(sandbox) == AT_FIRST
    assert await allow(sandbox, wildcard=False) == {**AT_FIRST, "wildcard": False}
    assert await allow(sandbox, hard_cap=7) == {**AT_FIRST, "wildcard": False, "hard_cap": 7}
    await sandbox.order("POST", "/control/reset")
    assert await allow(sandbox) == AT_FIRST


ENTERPRISE_ONLY = (
    "Certificate Authority selection is only available on an Enterprise plan.  If you're "
    "interested in the Enterprise plan,  please fill out this form and someone from our sales team "
    "will contact you: https://www.cloudflare.com/plans/enterprise/contact/"
)


@pytest.mark.parametrize(
    ("right", "body", "expected", "text"),
    [
        (
            "custom_metadata",
            {"custom_metadata": {"a": "b"}},
            (403, 1413),
            "No custom metadata access has been allocated for this zone or account.",
        ),
        (
            "custom_origin",
            {"custom_origin_server": TARGET},
            (403, 1414),
            "Access to setting a custom origin server has not been granted for this zone.",
        ),
        (
            "custom_origin_sni",
            {"custom_origin_sni": TARGET},
            (403, 1414),
            "Access to setting a custom origin SNI has not been granted.",
        ),
        (
            "certificate_authority",
            {"ssl": {**DV_TXT, "certificate_authority": "lets_encrypt"}},
            (400, 1459),
            ENTERPRISE_ONLY,
        ),
        ("wildcard", {"ssl": {**DV_TXT, "wildcard": True}}, (400, 1448), "Custom hostnames with"),
    ],
)
async def test_what_the_plan_does_not_have_is_refused_in_cloudflares_words(
    sandbox: Driver, right: str, body: dict[str, Any], expected: tuple[int, int], text: str
) -> None:
    await allow(sandbox, wildcard=False)
    before = await sandbox.create("old.acme.com", DV_TXT)
    path = f"{sandbox.hostnames}/{before['id']}"
    for answer in (
        await post(sandbox, "new.acme.com", **body),
        await sandbox.api.patch(path, json=body),
    ):
        assert refusal(answer) == expected
        assert answer.json()["errors"][0]["message"].startswith(text)
    default = {**DV_TXT, "certificate_authority": ""}
    assert (await post(sandbox, "new.acme.com", ssl=default)).status_code == 201
    await allow(sandbox, **{right: True})
    assert (await post(sandbox, "other.acme.com", **body)).status_code == 201


async def test_what_a_name_has_stays_when_the_right_to_it_ends_but_cannot_be_named_again(
    sandbox: Driver,
) -> None:
    await allow(sandbox, custom_metadata=True, custom_origin=True, certificate_authority=True)
    had = {"custom_metadata": {"a": "b"}, "custom_origin_server": TARGET}
    ssl = {**DV_TXT, "certificate_authority": "lets_encrypt"}
    created = await sandbox.create("shop.acme.com", ssl, **had)
    await allow(sandbox, custom_metadata=False, custom_origin=False, certificate_authority=False)
    path = f"{sandbox.hostnames}/{created['id']}"
    same: list[tuple[dict[str, Any], tuple[int, int]]] = [
        ({"custom_metadata": {"a": "b"}}, (403, 1413)),
        ({"custom_metadata": None}, (403, 1413)),
        ({"custom_origin_server": TARGET}, (403, 1414)),
        ({"ssl": ssl}, (400, 1459)),
    ]
    for body, expected in same:
        assert refusal(await sandbox.api.patch(path, json=body)) == expected
    seen = await sandbox.patch(created["id"], ssl=DV_TXT)
    assert seen["ssl"]["certificate_authority"] == "lets_encrypt"
    assert {key: seen[key] for key in had} == had


async def test_without_a_named_authority_one_is_drawn_for_each_creation(sandbox: Driver) -> None:
    drawn = set[str]()
    for number in range(12):
        created = await sandbox.create(f"n{number}.acme.com")
        drawn.add(created["ssl"]["certificate_authority"])
    assert drawn == {"google", "lets_encrypt", "ssl_com"}
    await allow(sandbox, authorities=["ssl_com"])
    created = await sandbox.create("slow.acme.com")
    assert created["ssl"]["certificate_authority"] == "ssl_com"


@pytest.mark.parametrize(
    ("authority", "seconds"),
    [("google", (1, 300)), ("lets_encrypt", (1, 300)), ("ssl_com", (600, 1820))],
)
async def test_ssl_com_takes_ten_to_thirty_minutes_where_others_take_minutes(
    sandbox: Driver, authority: str, seconds: tuple[int, int]
) -> None:
    await allow(sandbox, authorities=[authority])
    await sandbox.put("*.acme.com", "CNAME", TARGET)
    ids = [(await sandbox.create(f"n{number}.acme.com"))["id"] for number in range(8)]

    async def active() -> int:
        rows = [await sandbox.get(hostname_id) for hostname_id in ids]
        return sum(row["ssl"]["status"] == "active" for row in rows)

    soonest, latest = seconds
    await sandbox.advance(soonest - 1)
    assert await active() == 0
    await sandbox.advance(latest - soonest + 10)
    assert await active() == len(ids)


@pytest.mark.parametrize("status", [403, 400])
async def test_without_the_product_every_call_on_custom_hostnames_is_refused_reads_too(
    sandbox: Driver, status: int
) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    await allow(sandbox, saas_enabled=False, saas_disabled_status=status)
    path = f"{sandbox.hostnames}/{hostname_id}"
    for method, where in (
        ("GET", sandbox.hostnames),
        ("POST", sandbox.hostnames),
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("GET", f"{sandbox.hostnames}/quota"),
    ):
        answer = await sandbox.api.request(method, where, json={})
        assert refusal(answer) == (status, 1404)
        text = "No quota has been allocated for this zone or for this account."
        assert answer.json()["errors"][0]["message"].startswith(text)
    for method in ("GET", "PUT", "DELETE"):
        answer = await sandbox.api.request(method, f"{sandbox.hostnames}/fallback_origin", json={})
        assert refusal(answer) == (403, 1456)
    assert (await sandbox.api.get(f"{sandbox.zone}/dns_records")).status_code == 200
    await allow(sandbox, saas_enabled=True)
    assert (await sandbox.get(hostname_id))["hostname"] == "shop.acme.com"


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
    await allow(sandbox, may_pass_hard_cap=True)
    await sandbox.create("enterprise.acme.com")
    await allow(sandbox, may_pass_hard_cap=False)
    assert refusal(await post(sandbox, "a.acme.com")) == (409, 1406)
    await allow(sandbox, quota_allocated=0, hard_cap=0)
    assert refusal(await post(sandbox, "c.acme.com")) == (403, 1404)
    await sandbox.order("POST", "/control/cloudflare/seed", {"count": 5})
    quota = (await sandbox.api.get(f"{sandbox.hostnames}/quota")).json()["result"]
    assert quota == {"allocated": 0, "used": 8, "exceeded": True, "hard_cap": 0}


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
        ({"token": "no_custom_hostnames"}, {"list", "create", "quota"}, (403, 10000)),
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
    "body",
    [
        {"token": "lost"},
        {"zone": "away"},
        {"hard_cap": -1},
        {"wildcard": "maybe"},
        {"authorities": []},
        {"custom_orign": True},
    ],
)
async def test_impossible_accounts_are_refused(sandbox: Driver, body: object) -> None:
    assert (await sandbox.control.put(ACCOUNT, json=body)).status_code == 422
