import json

import httpx
import pytest

from .driver import DV_HTTP, Driver

FAULTS = "/control/cloudflare/faults"


async def outcome(sandbox: Driver, number: int) -> str:
    body = {"hostname": f"n{number}.acme.com", "ssl": DV_HTTP}
    try:
        answer = await sandbox.api.post(sandbox.hostnames, json=body, timeout=0.2)
    except httpx.TimeoutException:
        return "timeout"
    except httpx.TransportError:
        return "reset"
    return f"{answer.status_code} {answer.headers['content-type'].split(';')[0]}"


async def exists(sandbox: Driver, number: int) -> bool:
    answer = await sandbox.api.get(sandbox.hostnames, params={"hostname": f"n{number}.acme.com"})
    return bool(answer.json()["result"])


async def test_a_refusal_has_no_effect_a_time_out_has_and_a_reset_has_either(
    sandbox: Driver,
) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"creations": 1000})
    await sandbox.order("PUT", FAULTS, {"rate": 1, "seed": 7})
    outcomes = [await outcome(sandbox, number) for number in range(40)]
    await sandbox.order("PUT", FAULTS, {"rate": 0})
    effects: dict[str, set[bool]] = {}
    for number, seen in enumerate(outcomes):
        effects.setdefault(seen, set()).add(await exists(sandbox, number))
    assert effects == {
        "429 application/json": {False},
        "500 application/json": {False},
        "500 text/html": {False},
        "503 application/json": {False},
        "503 text/html": {False},
        "timeout": {True},
        "reset": {True, False},
    }


async def test_the_same_seed_fails_the_same_calls(sandbox: Driver) -> None:
    faults = {"rate": 0.5, "kinds": [429, 503], "seed": 11}
    runs = []
    for _ in range(2):
        await sandbox.order("PUT", FAULTS, faults)
        runs.append([(await sandbox.api.get("/zones")).status_code for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429, 503}


async def test_an_injected_429_asks_for_a_short_wait_and_is_no_breach(sandbox: Driver) -> None:
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": [429], "seed": 1})
    answer = await sandbox.api.get("/zones")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert (await sandbox.order("GET", "/control/cloudflare/calls"))["breaches"] == 0


@pytest.mark.parametrize("body", [{"rate": 2}, {"rate": 1, "kinds": [418]}, {"kinds": "all"}])
async def test_impossible_faults_are_refused(sandbox: Driver, body: object) -> None:
    assert (await sandbox.control.put(FAULTS, json=body)).status_code == 422


async def one(sandbox: Driver, method: str, kind: str) -> tuple[int, str, bytes]:
    """Send one call for a custom hostname that meets a fault; return what came back."""
    await sandbox.account(custom_metadata=True)
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": [kind]})
    answer = await sandbox.api.request(
        method,
        f"{sandbox.hostnames}/{hostname_id}",
        json={"custom_metadata": {"a": "b"}} if method == "PATCH" else None,
    )
    await sandbox.order("PUT", FAULTS, {"rate": 0})
    return answer.status_code, answer.headers["content-type"].split(";")[0], answer.content


async def metadata(sandbox: Driver) -> object:
    (row,) = (await sandbox.api.get(sandbox.hostnames)).json()["result"]
    return row.get("custom_metadata")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("not_found", 404, 1436), ("unauthorized", 401, 1000), ("unsuccessful", 200, 10001)],
)
async def test_a_refusal_in_the_envelope_has_no_effect(
    sandbox: Driver, kind: str, status: int, code: int
) -> None:
    seen, _, body = await one(sandbox, "PATCH", kind)
    content = json.loads(body)
    assert (seen, content["success"], content["errors"][0]["code"]) == (status, False, code)
    assert await metadata(sandbox) is None


async def test_forbidden_is_a_page_without_an_envelope_and_has_no_effect(sandbox: Driver) -> None:
    status, kind, body = await one(sandbox, "PATCH", "forbidden")
    assert (status, kind, body[:6]) == (403, "text/html", b"<html>")
    assert await metadata(sandbox) is None


async def test_a_cut_answer_and_a_page_in_its_place_take_effect(sandbox: Driver) -> None:
    status, kind, body = await one(sandbox, "PATCH", "truncated")
    assert (status, kind) == (202, "application/json")
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated|delimiter"):
        json.loads(body)
    assert await metadata(sandbox) == {"a": "b"}
    (row,) = (await sandbox.api.get(sandbox.hostnames)).json()["result"]
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": ["html"]})
    page = await sandbox.api.delete(f"{sandbox.hostnames}/{row['id']}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    await sandbox.order("PUT", FAULTS, {"rate": 0})
    assert not (await sandbox.api.get(sandbox.hostnames)).json()["result"]


async def test_not_found_empties_lists_and_leaves_other_calls_alone(sandbox: Driver) -> None:
    await sandbox.create("shop.acme.com")
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": ["not_found"]})
    answer = (await sandbox.api.get(sandbox.hostnames, params={"per_page": 50})).json()
    assert (answer["success"], answer["result"]) == (True, [])
    assert answer["result_info"]["total_count"] == 0
    assert (await sandbox.api.get("/zones")).json()["result"]
    await sandbox.create("other.acme.com")


async def test_faults_can_be_for_some_routes_only_and_are_drawn_for_those_alone(
    sandbox: Driver,
) -> None:
    route = "GET /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
    path = f"{sandbox.hostnames}/{(await sandbox.create('shop.acme.com'))['id']}"
    faults = {"rate": 0.5, "kinds": [503, "not_found"], "seed": 3, "routes": [route]}
    runs = []
    for others in (0, 3):
        await sandbox.order("PUT", FAULTS, faults)
        statuses = []
        for _ in range(12):
            for _ in range(others):
                assert (await sandbox.api.get(sandbox.hostnames)).status_code == 200
            statuses.append((await sandbox.api.get(path)).status_code)
        runs.append(statuses)
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 404, 503}
    assert (await sandbox.control.put(FAULTS, json={"routes": ["GET /"]})).status_code == 422
    everywhere = await sandbox.order("PUT", FAULTS, {"routes": None, "rate": 1, "kinds": [503]})
    assert everywhere["routes"] is None
    assert (await sandbox.api.get("/zones")).status_code == 503


@pytest.mark.parametrize(
    ("kind", "status", "codes"),
    [
        (429, 429, [971]),
        ("429_10100", 429, [10100]),
        ("429_10429", 429, [10429]),
        ("429_html", 429, []),
        (502, 502, []),
    ],
)
async def test_refusals_for_the_rate_and_of_the_edge_come_in_all_their_bodies(
    sandbox: Driver, kind: object, status: int, codes: list[int]
) -> None:
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": [kind]})
    answer = await sandbox.api.get(sandbox.hostnames)
    assert answer.status_code == status
    is_html = answer.headers["content-type"].startswith("text/html")
    shown = [] if is_html else [error["code"] for error in answer.json()["errors"]]
    assert shown == codes
    assert ("retry-after" in answer.headers) is (kind == 429)


async def test_a_path_that_is_not_routed_has_two_errors_as_400_or_404(sandbox: Driver) -> None:
    await sandbox.order("PUT", FAULTS, {"rate": 1, "kinds": ["not_routed"], "seed": 5})
    seen = set()
    for _ in range(12):
        answer = await sandbox.api.get(f"{sandbox.zone}/dns_records")
        seen.add(answer.status_code)
        errors = answer.json()["errors"]
        assert [error["code"] for error in errors] == [7003, 7000]
        assert errors[0]["message"].startswith(f"Could not route to {sandbox.zone}/dns_records,")
    assert seen == {400, 404}
