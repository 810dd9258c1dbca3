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
