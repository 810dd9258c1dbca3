"""The limits of requests, through the whole application over Postgres."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from app.bootstrap import Services, open_services
from app.domain.custom_hostname import Schedule
from app.main import create_app, limits_of
from app.persistence.ids import Prefix, new_id
from app.web.request_limits import RequestLimits
from app.web.serve import bind, serve
from benchmarks.settings import settings_for
from tests.support import PLAIN
from tests.support.rows import present_zone, put_hostname

PATH = "/v1/custom-hostnames"
KEY = "np_" + secrets.token_urlsafe(32)
RATE = {"rate_limit": 0.02, "rate_burst": 3}


class Api:
    """The application on a port, and the services behind it."""

    def __init__(self, services: Services, http: httpx.AsyncClient) -> None:
        self.services = services
        self.http = http

    async def put_hostname(self) -> str:
        record_id = new_id(Prefix.CUSTOM_HOSTNAME)
        database = self.services.database
        zone = await present_zone(database)
        await put_hostname(database, zone, record_id, f"{record_id[3:9]}.limit-tea.com", Schedule())
        return record_id


@asynccontextmanager
async def running(
    database_url: str, limits: RequestLimits, **settings: object
) -> AsyncIterator[Api]:
    given = settings_for(database_url, bootstrap_api_key=KEY, **settings)
    sock = bind("127.0.0.1", 0, "the test")
    stop, started = asyncio.Event(), asyncio.Event()
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with (
        open_services(given) as services,
        httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=60,
            trust_env=False,
            verify=PLAIN,
        ) as http,
    ):
        serving = asyncio.create_task(
            serve(create_app(services, limits), sock, stop, started=started)
        )
        await started.wait()
        yield Api(services, http)
        stop.set()
        await serving
        sock.close()


@pytest.mark.parametrize("path", [PATH, f"{PATH}/ch_unknown"])
async def test_a_key_that_sends_too_much_is_told_when_to_go_on(
    database_url: str, path: str
) -> None:
    async with running(database_url, RequestLimits(), **RATE) as api:
        answers = [await api.http.get(path) for _ in range(4)]
        assert {each.headers["ratelimit-policy"] for each in answers} == {'"default";q=3;w=150'}
        left = [each.headers["ratelimit"].split(";")[1] for each in answers]
        assert left == ["r=2", "r=1", "r=0", "r=0"]
        assert [each.status_code == 429 for each in answers] == [False, False, False, True]
        assert answers[3].json()["code"] == "rate_limited"
        assert 1 <= int(answers[3].headers["retry-after"]) <= 50
        _, another = await api.services.api_keys.create(name="another", scope="read")
        other = await api.http.get(path, headers={"Authorization": f"Bearer {another}"})
        assert other.headers["ratelimit"].startswith('"default";r=2;')


async def test_what_is_refused_for_its_rate_uses_up_no_idempotency_key(database_url: str) -> None:
    async with running(database_url, RequestLimits(), **RATE) as api:
        for _ in range(3):
            await api.http.get(f"{PATH}/ch_unknown")
        refused = await api.http.post(
            "/v1/api-keys", json={"name": "x"}, headers={"Idempotency-Key": "limited-1"}
        )
        assert refused.status_code == 429
        assert [key.name for key in await api.services.api_keys.list()] == ["bootstrap"]
        async with api.services.database.pool.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM idempotent_requests") == 0


async def test_a_refusal_for_its_scope_counts_and_one_without_a_key_does_not(
    database_url: str,
) -> None:
    async with running(database_url, RequestLimits(), **RATE) as api:
        _, reader = await api.services.api_keys.create(name="reader", scope="read")
        headers = {"Authorization": f"Bearer {reader}"}
        forbidden = await api.http.delete(f"{PATH}/ch_unknown", headers=headers)
        assert (forbidden.status_code, forbidden.headers["ratelimit"]) == (
            403,
            '"default";r=2;t=50',
        )
        for answer in (
            await api.http.get(PATH, headers={"Authorization": "Bearer np_unknown"}),
            await api.http.get("/healthz"),
        ):
            assert "ratelimit" not in answer.headers


async def test_without_a_rate_nothing_is_counted(database_url: str) -> None:
    async with running(database_url, RequestLimits(), rate_limit=0, rate_burst=1) as api:
        for _ in range(3):
            answer = await api.http.get(PATH)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


async def test_a_request_that_waits_for_a_lock_too_long_changes_nothing_and_may_be_repeated(
    database_url: str,
) -> None:
    async with running(database_url, RequestLimits(seconds=2), rate_limit=0) as api:
        record_id = await api.put_hostname()
        path = f"{PATH}/{record_id}"
        blocker = await asyncpg.connect(database_url)
        lock = blocker.transaction()
        await lock.start()
        await blocker.execute(
            "SELECT FROM schedules WHERE custom_hostname_id = $1 FOR UPDATE", record_id
        )
        late = await asyncio.gather(
            *(api.http.patch(path, json={"metadata": {"n": n}}) for n in range(3))
        )
        assert {(each.status_code, each.json()["code"]) for each in late} == {
            (503, "request_timed_out")
        }
        await lock.rollback()
        await blocker.close()
        shown = (await api.http.get(path)).json()
        assert (shown["metadata"], shown["revision"]) == ({}, 1)
        async with api.services.database.pool.acquire() as connection:
            await connection.execute("UPDATE zones SET paused_at = now(), pause_reason='operator'")
        again = await api.http.patch(path, json={"metadata": {"n": 7}})
        assert (again.status_code, again.json()["metadata"]) == (200, {"n": 7})


async def test_a_caller_that_sends_its_body_slowly_is_cut_off(database_url: str) -> None:
    async with running(database_url, RequestLimits(body_seconds=0.5), rate_limit=0) as api:
        url = api.http.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        writer.write(head.encode())
        async with asyncio.timeout(30):
            answer = (await reader.read()).decode()
        assert answer.startswith("HTTP/1.1 408 ")
        assert '"code":"body_too_slow"' in answer
        writer.close()


def test_the_limits_are_the_settings() -> None:
    given = settings_for(
        "postgresql://nobody@127.0.0.1:1/none",
        request_timeout=90,
        body_timeout=5,
        requests_at_once=7,
    )
    assert limits_of(given) == RequestLimits(seconds=90, body_seconds=5, at_once=7)
