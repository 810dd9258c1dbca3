"""What happens during a tick: a lease that ends, and a wish that changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from cryptography.fernet import Fernet
from typing_extensions import override

from app.bootstrap import Services, no_checkpoint, open_services
from app.domain.custom_hostname import CustomHostname, State
from app.domain.errors import DatabaseUnavailable
from app.domain.reason import Reason
from app.local.stack import Secrets, sandbox_settings
from app.persistence.database import open_database
from app.persistence.leases import claim_one
from app.persistence.zones import put_default_zone
from app.services.registration import Registration
from sandbox.server import SandboxOptions, run_sandbox
from tests.support import INLINE_SECONDS, Service


class Intruder:
    """Runs SQL of its own, once, when a tick reaches a checkpoint."""

    def __init__(self, database_url: str, point: str, *statements: str) -> None:
        self._url = database_url
        self._point = point
        self._statements = statements

    def __call__(self, name: str) -> None:
        if name == self._point:
            self._point = ""
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, self._intrude()).result()

    async def _intrude(self) -> None:
        connection = await asyncpg.connect(self._url)
        for statement in self._statements:
            await connection.execute(statement)
        await connection.close()


@asynccontextmanager
async def alone(
    database_url: str,
    data_dir: Path,
    checkpoint: Callable[[str], None] = no_checkpoint,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    inline_seconds: float = INLINE_SECONDS,
) -> AsyncIterator[tuple[Services, str]]:
    """Open the services over a sandbox, with no worker beside them."""
    options = SandboxOptions(
        data_dir=data_dir, port=0, dns_port=0, receiver_port=0, speed=1000, set_up=True
    )
    secrets = Secrets("np_" + "k" * 40, Fernet.generate_key().decode())
    async with run_sandbox(options) as sandbox:
        settings = sandbox_settings(sandbox, database_url, secrets, inline_deadline=inline_seconds)
        async with open_services(
            settings, checkpoint=checkpoint, cloudflare_transport=transport
        ) as services:
            yield services, f"{sandbox.url}/control/cloudflare/calls"


async def tick(services: Services, record: CustomHostname) -> CustomHostname:
    async with services.database.transaction() as tx:
        claim = await claim_one(tx, record.id)
    assert claim is not None
    await services.reconciler.reconcile(claim)
    return await services.custom_hostnames.get(record.id)


async def register(services: Services) -> CustomHostname:
    wanted = Registration(hostname="shop.late-train.com", tenant="tenant", metadata={})
    (record,), is_new = await services.registrations.register(wanted)
    assert is_new
    return record


async def posts(calls_url: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        by_route = (await http.get(calls_url)).json()["by_route"]
    return int(by_route.get("POST /zones/{zone_id}/custom_hostnames", 0))


async def test_a_tick_that_outlives_its_lease_records_nothing_and_the_next_one_adopts(
    database_url: str, tmp_path: Path
) -> None:
    late = Intruder(database_url, "create_answered", "UPDATE clock_offset SET \"offset\" = '61 s'")
    async with alone(database_url, tmp_path, late) as (services, calls_url):
        lost = await register(services)
        assert (lost.state, lost.cloudflare.id) == (State.PENDING, None)
        assert lost.cloudflare.create_started_at is not None
        adopted = await tick(services, lost)
        assert adopted.state is State.VALIDATING
        assert adopted.cloudflare.id is not None
        assert await posts(calls_url) == 2
        events = await services.custom_hostnames.events(lost.id, after=0, limit=10)
        assert [event.after for event in events] == [State.PENDING, State.VALIDATING]


async def test_a_hostname_wished_gone_during_a_look_is_not_created_any_more(
    database_url: str, tmp_path: Path
) -> None:
    gone = Intruder(
        database_url,
        "observed",
        "UPDATE custom_hostnames SET desired = 'absent'",
        "UPDATE schedules SET wakes = wakes + 1",
    )
    async with alone(database_url, tmp_path, gone) as (services, calls_url):
        record = await register(services)
        assert record.state is State.PENDING
        assert record.schedule.next_check_at is not None
        assert record.cloudflare.create_tried_at is None
        removed = await tick(services, record)
        assert removed.state is State.DELETED
        assert await posts(calls_url) == 0


async def test_a_change_during_a_creation_that_is_refused_is_tried_without_being_asked(
    database_url: str, tmp_path: Path
) -> None:
    mended = Intruder(
        database_url,
        "create_answered",
        "UPDATE custom_hostnames SET options = '{}', revision = revision + 1",
        "UPDATE schedules SET wakes = wakes + 1",
    )
    async with alone(database_url, tmp_path, mended) as (services, calls_url):
        account = calls_url.replace("/calls", "/account")
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.put(account, json={"custom_origin": True})
        wanted = Registration(
            hostname="shop.hasty-heron.com",
            tenant="heron",
            metadata={},
            options={"custom_origin_server": "nowhere.nameplate-demo.net"},
        )
        (refused,), _ = await services.registrations.register(wanted)
        assert (refused.state, refused.reason) == (State.FAILED, Reason.CUSTOM_ORIGIN_REFUSED)
        assert (await tick(services, refused)).state is State.VALIDATING
        assert await posts(calls_url) == 2


class Blink:
    """Ends every connection to a database at a checkpoint, and lets none in for a while."""

    def __init__(self, cluster: str, database_url: str, point: str, *, seconds: float) -> None:
        self._cluster = cluster
        self._name = urlsplit(database_url).path[1:]
        self._point = point
        self._seconds = seconds

    def __call__(self, name: str) -> None:
        if name != self._point:
            return
        self._point = ""
        self._let_in("false")
        threading.Timer(self._seconds, self._let_in, ["true"]).start()

    def _let_in(self, allowed: str) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self._cluster)
            await connection.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS {allowed}')
            if allowed == "false":
                backends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                await connection.fetch(f"{backends} WHERE datname = $1", self._name)
            await connection.close()

        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, execute()).result()


async def test_an_answer_outlives_a_database_that_blinks(
    cluster: str, database_url: str, tmp_path: Path
) -> None:
    blink = Blink(cluster, database_url, "create_answered", seconds=1.5)
    async with alone(database_url, tmp_path, blink) as (services, calls_url):
        record = await register(services)
        async with asyncio.timeout(20):
            while record.state is State.PENDING:
                await asyncio.sleep(0.2)
                with suppress(DatabaseUnavailable):
                    record = await services.custom_hostnames.get(record.id)
        assert record.state is State.VALIDATING
        assert record.cloudflare.id is not None
        assert await posts(calls_url) == 1
        async with httpx.AsyncClient(trust_env=False) as http:
            by_route = (await http.get(calls_url)).json()["by_route"]
        assert "GET /zones/{zone_id}/custom_hostnames" not in by_route


class Hanging(httpx.AsyncBaseTransport):
    """Takes requests and answers none."""

    def __init__(self) -> None:
        self.asked = 0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


async def test_while_cloudflare_hangs_no_hostname_is_leased_that_no_request_works_on(
    database_url: str, tmp_path: Path
) -> None:
    hanging = Hanging()
    async with alone(database_url, tmp_path, transport=hanging, inline_seconds=2) as (services, _):
        wanted = [
            Registration(hostname=f"h{n}.long-wait.com", tenant=f"t{n}", metadata={})
            for n in range(30)
        ]
        await asyncio.gather(*(services.registrations.register(each) for each in wanted))
        async with services.database.pool.acquire() as connection:
            leased = await connection.fetchval(
                "SELECT count(*) FROM schedules WHERE leased_until > nameplate_now()"
            )
        assert leased > 0
        async with asyncio.timeout(30):
            while hanging.asked < leased:
                await asyncio.sleep(0.05)
        free = await services.dispatcher.due(100)
        assert len(free) == len(wanted) - leased
        await services.inline.drain(0)


async def test_a_check_of_dns_that_is_overdue_stays_so_when_a_list_brings_news(
    database_url: str, tmp_path: Path
) -> None:
    async with alone(database_url, tmp_path) as (services, _):
        record = await register(services)
        seen = record.cloudflare.seen
        assert seen is not None
        async with services.database.pool.acquire() as connection:
            await connection.execute(
                "UPDATE schedules SET dns_due_at = nameplate_now() - interval '1 minute'"
            )
        async with services.database.transaction() as tx:
            claim = await claim_one(tx, record.id)
        assert claim is not None
        news = replace(seen, ssl_status="pending_issuance", validation_errors=("new",))
        await services.reconciler.reconcile_view(claim, news, sent_at=claim.now)
        shown = await services.custom_hostnames.get(record.id)
        assert shown.cloudflare.seen == replace(news, validation_records=())
        assert shown.schedule.dns_due_at is not None
        assert shown.schedule.dns_due_at < claim.now


async def test_a_rush_of_posts_is_accepted_or_told_to_come_again_and_all_of_it_arrives(
    service: Service,
) -> None:
    made = await asyncio.gather(*(_insist(service, f"h{n}.rush-hour.com") for n in range(60)))
    assert len(set(made)) == 60
    for hostname_id in made:
        await service.follow(hostname_id, "validating")


async def _insist(service: Service, hostname: str) -> str:
    """POST as a good caller does: a 503 says when to come again, and again is no harm."""
    async with asyncio.timeout(60):
        while True:
            body = {"hostname": hostname, "tenant": "tenant"}
            response = await service.http.post("/v1/custom-hostnames", json=body)
            if response.status_code != 503:
                assert response.status_code in {200, 201}, response.text
                return str(response.json()["id"])
            await asyncio.sleep(float(response.headers["retry-after"]))


async def test_a_new_cname_target_is_soon_in_every_document(
    service: Service,
) -> None:
    made = [await service.create(f"h{n}.new-address.com") for n in range(3)]
    async with (
        open_database(service.stack.database_url) as database,
        database.transaction() as tx,
    ):
        await put_default_zone(
            tx,
            cloudflare_zone_id=service.stack.cloudflare_zone_id,
            api_token=b"unused",
            cname_target="clients.nameplate-demo.net",
            fallback_origin="proxy-fallback.nameplate-demo.net",
            budget="default",
        )

    async def is_redrawn() -> bool:
        return bool(await service.sql.fetchval("SELECT rerender_cursor IS NULL FROM zones"))

    await service.eventually(is_redrawn)
    for hostname in made:
        shown = await service.get(hostname["id"])
        assert shown["records"][0]["value"] == "clients.nameplate-demo.net"
