"""G2: every transition reaches each endpoint that selects it, whatever receivers and workers do.

Hostnames live their lives while receivers fail, are slow, cut connections and are down, and while
workers are killed. TEST_WEBHOOKS_PERCENT makes it smaller.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from standardwebhooks import Webhook

from app.domain.webhook_endpoint import selects
from tests.proofs.conftest import Say
from tests.proofs.webhook_receivers import Answer, Got, Receivers, accept, receivers
from tests.support import Service
from tests.worker.processes import Processes, running_processes

SIGNATURES = Path(__file__).resolve().parents[1] / "receivers/signatures"
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
VERIFY = ("node", "verify.cjs")
HOSTNAMES = max(8, 240 * int(os.environ.get("TEST_WEBHOOKS_PERCENT", "100")) // 100)
DRIVERS = 8
KILLS = 6
SECONDS = 900
DOWN_SECONDS = 3600
"""Of virtual time."""
PAST_LEASE = 61
TENANTS = ("red", "green", "blue")
LIMITS = {"NAMEPLATE_RATE_LIMIT": "0", "NAMEPLATE_DATABASE_CONNECTIONS": "20"}


@dataclass
class Clock:
    """Moves the service's clock, and knows how far it was moved."""

    service: Service
    passed: float = 0.0

    async def advance(self, seconds: float) -> None:
        self.passed += seconds
        await self.service.advance(seconds=seconds)


async def slow(_: Got) -> int | None:
    await asyncio.sleep(1.5)
    return 200


async def failing(got: Got) -> int | None:
    """Fail each message three times."""
    return 500 if got.attempt <= 3 else 200


async def late(got: Got) -> int | None:
    """Ask for a minute before each message."""
    return 429 if got.attempt == 1 else 202


async def dropping(got: Got) -> int | None:
    """Cut the connection twice before each message is taken."""
    return None if got.attempt <= 2 else 204


async def forgetful(got: Got) -> int | None:
    """Take the message, and cut the connection before saying so."""
    return None if got.attempt == 1 else 204


@dataclass(frozen=True)
class Subscriber:
    """An endpoint: what it wants, and how it behaves."""

    name: str
    types: tuple[str, ...] = ()
    tenant: str | None = None
    signing: str = "hmac-sha256"
    answer: Answer = accept
    rate_limit: int | None = None


SUBSCRIBERS = (
    Subscriber("everything"),
    Subscriber("star", ("*",), signing="ed25519"),
    Subscriber("hostnames", ("custom_hostname.*",), answer=failing),
    Subscriber("zones", ("zone.*",)),
    Subscriber("endpoints", ("webhook_endpoint.*",)),
    Subscriber("created", ("custom_hostname.created",), answer=slow),
    Subscriber("active", ("custom_hostname.active",), answer=dropping),
    Subscriber("verified", ("custom_hostname.cname_verified",), signing="ed25519", answer=failing),
    Subscriber("gone", ("custom_hostname.deleting", "custom_hostname.deleted"), answer=forgetful),
    Subscriber("mixed", ("zone.*", "custom_hostname.validating"), answer=late),
    Subscriber("twice", ("custom_hostname.*", "custom_hostname.created")),
    Subscriber("red", tenant="red"),
    Subscriber("green", ("custom_hostname.*",), tenant="green", signing="ed25519", answer=dropping),
    Subscriber("blue", ("custom_hostname.created",), tenant="blue", answer=slow),
    Subscriber("endpoints of red", ("webhook_endpoint.*",), tenant="red"),
    Subscriber("nobody", tenant="nobody"),
    Subscriber("limited", rate_limit=20),
    Subscriber("forgets", signing="ed25519", answer=forgetful),
    Subscriber("down"),
    Subscriber("down and choosy", ("custom_hostname.cname_verified",), tenant="red"),
)


@dataclass
class Signed:
    """Verifies each message as it arrives, and keeps it for the other libraries."""

    keys: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def watch(self, got: Got) -> None:
        key = self.keys[got.endpoint]
        self.messages.append({"key": key, "headers": got.headers, "body": got.body})
        if key.startswith("whsec_"):
            try:
                Webhook(key).verify(got.body, got.headers)
            except Exception:  # noqa: BLE001 - whatever it says, it is no
                self.bad.append(got.id)


@pytest.mark.proof
@pytest.mark.skipif(shutil.which("npm") is None, reason="Svix's library needs npm")
@pytest.mark.timeout(SECONDS + 300)
async def test_every_transition_reaches_each_endpoint_that_selects_it(
    database_url: str, tmp_path: Path, say: Say
) -> None:
    began = time.monotonic()
    signed = Signed()
    async with (
        receivers() as got,
        running_processes(tmp_path, database_url) as (
            processes,
            service,
        ),
    ):
        got.watch = signed.watch
        clock = Clock(service)
        await service.raise_limits()
        await processes.start("api", **LIMITS)
        for each in SUBSCRIBERS:
            signed.keys[each.name.replace(" ", "-")] = await _subscribe(service, got, each, clock)
        async with asyncio.timeout(SECONDS):
            kills = await _live(processes, service, clock)
            await _until_nothing_is_owed(processes, service, clock)
        rows = [dict(row) for row in await service.sql.fetch(EVENTS)]
        ends = [tuple(row) for row in await service.sql.fetch(ENDS)]
    requests = sum(got.requests.values())
    say(
        f"{HOSTNAMES} hostnames, {len(rows):,} events, {len(got.accepted):,} deliveries by "
        f"{requests:,} requests, {kills} kills, {clock.passed / 3600:.1f} virtual hours, "
        f"{time.monotonic() - began:.0f} s"
    )
    assert {status for status, _ in ends} == {"succeeded"}
    assert clock.passed > DOWN_SECONDS
    assert len(rows) >= 3 * HOSTNAMES
    _check_sequences(rows)
    missing = {each.name: _missing(each, rows, got) for each in SUBSCRIBERS}
    assert missing == dict.fromkeys(missing, (set(), set()))
    assert signed.bad == []
    assert _bad_by_node(signed.messages, tmp_path / "node") == []


EVENTS = (
    "SELECT id, type, tenant, sequence, coalesce(custom_hostname_id, zone_id, endpoint_id) "
    "AS subject FROM events"
)
ENDS = "SELECT status, count(*) FROM deliveries GROUP BY status"
OWED = "SELECT count(*) FROM deliveries WHERE status = 'pending'"
BUSY = OWED + " AND (next_attempt_at <= nameplate_now() OR leased_until > nameplate_now())"


def _missing(
    subscriber: Subscriber, rows: list[dict[str, Any]], got: Receivers
) -> tuple[set[str], set[str]]:
    """Return the events that it misses, and those that were not for it."""
    wanted = {
        row["id"]
        for row in rows
        if selects(subscriber.types, row["type"]) and subscriber.tenant in {None, row["tenant"]}
    }
    accepted = got.accepted_by(subscriber.name.replace(" ", "-"))
    return wanted - accepted, accepted - wanted


def _check_sequences(rows: list[dict[str, Any]]) -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        numbers[row["subject"]].append(row["sequence"])
    gaps = {
        subject: sorted(found)
        for subject, found in numbers.items()
        if sorted(found) != list(range(1, len(found) + 1))
    }
    assert gaps == {}
    assert len(numbers) == HOSTNAMES + 1


async def _subscribe(service: Service, got: Receivers, subscriber: Subscriber, clock: Clock) -> str:
    """Add the endpoint, and return what verifies its messages."""
    name = subscriber.name.replace(" ", "-")

    async def down(_: Got) -> int | None:
        return 204 if clock.passed > DOWN_SECONDS else None

    got.answers[name] = down if name.startswith("down") else subscriber.answer
    body = {
        "url": got.url(name),
        "event_types": list(subscriber.types),
        "tenant": subscriber.tenant,
        "signing": subscriber.signing,
        "rate_limit": subscriber.rate_limit,
    }
    response = await service.http.post("/v1/webhook-endpoints", json=body)
    assert response.status_code == 201, response.text
    endpoint = response.json()
    return str(endpoint["secret"] or endpoint["public_key"])


async def _live(processes: Processes, service: Service, clock: Clock) -> int:
    """Take all hostnames through their lives, and kill workers meanwhile. Return how many."""
    for step in ("pause", "resume"):
        answer = await service.http.post(f"/v1/zones/default/{step}")
        assert answer.is_success, answer.text
    workers = [await processes.start("worker") for _ in range(2)]
    lives = asyncio.create_task(_lives(service))
    kills = 0
    while not lives.done() or kills < KILLS:
        await asyncio.sleep(2)
        if kills < KILLS:
            victim = workers.pop(0)
            victim.kill()
            await victim.wait()
            kills += 1
            workers.append(await processes.start("worker"))
            await asyncio.sleep(1)
        await clock.advance(PAST_LEASE)
    lives.result()
    return kills


async def _lives(service: Service) -> None:
    """Add all hostnames, wait until those with a record are live, and remove some."""
    hostnames: dict[int, dict[str, Any]] = {}

    async def add(first: int) -> None:
        for number in range(first, HOSTNAMES, DRIVERS):
            tenant = TENANTS[number % len(TENANTS)]
            hostname = await service.create(f"shop-{number}.{tenant}-shops.com", tenant)
            hostnames[number] = hostname
            if _goes_live(number):
                routing = next(r for r in hostname["records"] if r["purpose"] == "routing")
                await service.world.put_record(routing)

    await asyncio.gather(*map(add, range(DRIVERS)))
    await _until_settled(service, is_removing=False)
    for number, hostname in hostnames.items():
        if _is_removed(number):
            answer = await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
            assert answer.is_success, answer.text
    await _until_settled(service, is_removing=True)


def _goes_live(number: int) -> bool:
    return number % 4 != 3


def _is_removed(number: int) -> bool:
    return number % 5 == 0


async def _until_settled(service: Service, *, is_removing: bool) -> None:
    """Wait until as many hostnames as should be are live, and removed."""
    # A connection of its own: the clock is moved meanwhile.
    sql = await asyncpg.connect(service.stack.database_url)
    removed = [n for n in range(HOSTNAMES) if is_removing and _is_removed(n)]
    live = [n for n in range(HOSTNAMES) if _goes_live(n) and n not in removed]
    states: dict[str, int] = {}
    while states.get("cname_verified", 0) < len(live) or states.get("deleted", 0) < len(removed):
        await asyncio.sleep(1)
        rows = await sql.fetch(
            "SELECT state, count(*) AS count FROM custom_hostnames GROUP BY state"
        )
        states = {row["state"]: row["count"] for row in rows}
    await sql.close()


async def _until_nothing_is_owed(processes: Processes, service: Service, clock: Clock) -> None:
    while True:
        while await service.sql.fetchval(OWED):
            # An attempt that is under way keeps its lease.
            if not await service.sql.fetchval(BUSY):
                await clock.advance(600)
            await asyncio.sleep(0.5)
        # Nobody may emit or send anything while the books are compared.
        await processes.end_workers()
        if not await service.sql.fetchval(OWED):
            return
        await processes.start("worker")


def _bad_by_node(messages: list[dict[str, Any]], folder: Path) -> list[int]:
    """Verify `v1` by Svix's library and `v1a` by Node. Return the places of what is not good."""
    shutil.copytree(SIGNATURES, folder)
    installed = subprocess.run(
        INSTALL,
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    assert installed.returncode == 0, installed.stdout
    # One that is not good shows that the others were looked at.
    spoilt = {**messages[0], "body": messages[0]["body"] + " "}
    told = subprocess.run(
        VERIFY,
        cwd=folder,
        input=json.dumps([spoilt, *messages]),
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    first, *bad = json.loads(told.stdout)
    assert first == 0
    return list(bad)
