"""Whose the API token is, and how calls with a bad one are refused."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from .driver import Driver, driven

TOKEN = "/control/cloudflare/token"
USER = "/user/tokens/verify"


async def token(sandbox: Driver, **settings: object) -> dict[str, Any]:
    return dict(await sandbox.order("PUT", TOKEN, settings))


def account(sandbox: Driver) -> str:
    return f"/accounts/{sandbox.running.cloudflare_account_id}/tokens/verify"


def refusal(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["errors"][0]["code"]


async def test_a_user_token_is_active_and_says_so_in_a_message(sandbox: Driver) -> None:
    for path in (USER, account(sandbox)):
        answer = await sandbox.api.get(path)
        assert answer.status_code == 200
        assert answer.json()["result"]["status"] == "active"
        assert answer.json()["messages"] == [
            {"code": 10000, "message": "This API Token is valid and active", "type": None}
        ]


async def test_an_account_owned_token_is_good_but_not_a_users(sandbox: Driver) -> None:
    await token(sandbox, kind="account")
    refused = await sandbox.api.get(USER)
    assert refusal(refused) == (401, 1000)
    assert refused.json()["errors"][0]["message"] == "Invalid API Token"
    assert (await sandbox.api.get(account(sandbox))).json()["result"]["status"] == "active"
    assert (await sandbox.api.get(sandbox.hostnames)).status_code == 200
    listed = (await sandbox.api.get("/accounts")).json()["result"]
    assert [row["id"] for row in listed] == [sandbox.running.cloudflare_account_id]
    await token(sandbox, lists_accounts=False)
    refused = await sandbox.api.get("/accounts")
    assert refusal(refused) == (400, 1001)


@pytest.mark.parametrize(
    ("trouble", "expected", "text"),
    [
        ("malformed", (400, 6003), "Invalid request headers"),
        ("missing", (400, 9106), "Missing X-Auth-Key, X-Auth-Email or Authorization headers"),
        ("disabled", (401, 1000), "Invalid API Token"),
        ("expired", (403, 9109), "Invalid access token"),
        ("location", (403, 9109), "Cannot use the access token from location: 127.0.0.1"),
    ],
)
async def test_a_token_in_trouble_is_refused_by_every_call_until_it_is_good_again(
    sandbox: Driver, trouble: str, expected: tuple[int, int], text: str
) -> None:
    await token(sandbox, trouble=trouble)
    for path in (sandbox.hostnames, f"{sandbox.zone}/dns_records", sandbox.zone, "/accounts"):
        answer = await sandbox.api.get(path)
        assert refusal(answer) == expected
        assert answer.json()["errors"][0]["message"] == text
    await token(sandbox, trouble=None)
    assert (await sandbox.api.get(sandbox.hostnames)).status_code == 200


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer two words", "abc"])
async def test_a_header_that_holds_no_token_is_malformed_and_the_chain_says_why(
    sandbox: Driver, header: str
) -> None:
    answer = await sandbox.api.get(USER, headers={"authorization": header})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "code": 6003,
            "message": "Invalid request headers",
            "error_chain": [{"code": 6111, "message": "Invalid format for Authorization header"}],
        }
    ]


async def test_a_missing_header_has_a_code_of_its_own_where_tokens_are_verified(
    sandbox: Driver,
) -> None:
    nothing = {"authorization": ""}
    for path, code in ((USER, 1001), (account(sandbox), 1001), (sandbox.hostnames, 9106)):
        assert refusal(await sandbox.api.get(path, headers=nothing)) == (400, code)


@pytest.mark.parametrize("lacked", ["ssl", "dns", "zone"])
async def test_a_missing_permission_is_403_for_its_own_calls_alone(
    sandbox: Driver, lacked: str
) -> None:
    paths = {
        "ssl": [sandbox.hostnames, f"{sandbox.hostnames}/fallback_origin"],
        "dns": [f"{sandbox.zone}/dns_records"],
        "zone": [sandbox.zone, "/zones"],
    }
    paths["ssl"].append(f"{sandbox.zone}/dcv_delegation/uuid")
    await token(sandbox, lacks=[lacked])
    for group, members in paths.items():
        for path in members:
            answer = await sandbox.api.get(path)
            if group != lacked:
                assert answer.status_code == 200, path
                continue
            error = {"code": 10000, "message": "Authentication error"}
            assert answer.status_code == 403
            assert answer.json() == {"success": False, "errors": [error]}
    assert (await sandbox.api.get(USER)).status_code == 200


async def test_a_stray_401_is_for_the_next_calls_only(sandbox: Driver) -> None:
    await token(sandbox, next=2)
    statuses = [(await sandbox.api.get(sandbox.hostnames)).status_code for _ in range(4)]
    assert statuses == [401, 401, 200, 200]
    assert (await token(sandbox))["next"] == 0


async def test_a_fresh_token_is_403_for_some_seconds(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/clock", {"frozen": True})
    await token(sandbox, fresh_seconds=10)
    assert refusal(await sandbox.api.get(sandbox.hostnames)) == (403, 10000)
    await sandbox.advance(6)
    assert (await token(sandbox))["fresh_seconds"] == pytest.approx(4)
    assert refusal(await sandbox.api.get(sandbox.hostnames)) == (403, 10000)
    await sandbox.advance(4)
    assert (await sandbox.api.get(sandbox.hostnames)).status_code == 200


async def test_the_token_stays_as_it_was_set_through_a_restart_until_a_reset(
    tmp_path: Path,
) -> None:
    async with driven(tmp_path) as sandbox:
        await token(sandbox, kind="account", next=3, lacks=["dns"])
        await sandbox.api.get(sandbox.hostnames)
    async with driven(tmp_path) as sandbox:
        kept = await token(sandbox)
        assert (kept["kind"], kept["next"], kept["lacks"]) == ("account", 2, ["dns"])
        await sandbox.order("POST", "/control/reset")
        again = await token(sandbox)
        assert (again["kind"], again["next"], again["lacks"]) == ("user", 0, [])


@pytest.mark.parametrize(
    "body", [{"kind": "robot"}, {"next": -1}, {"lacks": ["all"]}, {"trouble": "tired"}, {"x": 1}]
)
async def test_impossible_tokens_are_refused(sandbox: Driver, body: object) -> None:
    assert (await sandbox.control.put(TOKEN, json=body)).status_code == 422
