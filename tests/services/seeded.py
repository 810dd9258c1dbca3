"""A zone full of names, with their rows, and workers that take one step when told to."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from cryptography.fernet import Fernet
from typing_extensions import override

from app.adapters.cloudflare.objects import WireHostname
from app.bootstrap import Services, open_services
from app.domain.observation import CloudflareHostname
from app.domain.resync import LISTS, PER_PAGE
from app.local.stack import Secrets, sandbox_settings
from app.persistence.resync import put_lists
from app.persistence.zones import open_zones
from app.settings import Settings
from benchmarks.filling import Filling, default_zone
from sandbox.server import RunningSandbox, SandboxOptions, run_sandbox
from tests.support import INLINE_SECONDS

PREFIX, DOMAIN = "seed", "seeded-shops.com"
ADVANCE = 'UPDATE clock_offset SET "offset" = "offset" + $1'
Hook = Callable[[], Awaitable[None]]


def id_of(number: int) -> str:
    """Give Cloudflare's id of a seeded name."""
    family = zlib.crc32(f"{PREFIX}.{DOMAIN}".encode()) << 96
    return str(uuid.UUID(int=family | number))


def record_id(number: int) -> str:
    """Give the id of its row."""
    return f"ch_{id_of(number).replace('-', '')}"


class Asking(httpx.AsyncHTTPTransport):
    """Reaches Cloudflare and writes down what is asked; `before_answer` runs in between, once."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[int] = []
        self.filtered: list[Mapping[str, str]] = []
        self.singles: list[str] = []
        self.before_answer: Hook | None = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        page = query.pop("page", None)
        if page is None:
            self.singles.append(request.url.path.rpartition("/")[2])
        elif filters := {k: v for k, v in query.items() if k.endswith("status")}:
            self.filtered.append(filters)
        else:
            self.pages.append(int(page))
        response = await super().handle_async_request(request)
        body = await response.aread()
        if self.before_answer is not None:
            hook, self.before_answer = self.before_answer, None
            await hook()
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    @property
    def count(self) -> int:
        """How much was asked since it was forgotten."""
        return len(self.pages) + len(self.filtered) + len(self.singles)

    def forget(self) -> None:
        for asked in (self.pages, self.filtered, self.singles):
            asked.clear()


class Worker:
    """One process's services; nothing happens by itself."""

    def __init__(self, services: Services, asked: Asking) -> None:
        self.services = services
        self.asked = asked

    async def read_next(self) -> bool:
        """Read one page, if one is due; lists that are not worth a call are only put off."""
        before = self.asked.count
        while claimed := await self.services.resync.claim(1):
            await self.services.resync.read_page(claimed[0])
            if self.asked.count > before:
                return True
        return False

    async def read_all(self, seeded: Seeded) -> None:
        """Read what is due, and go on as calls come in, until no round is under way."""
        while await self.read_next() or await seeded.under_way():
            await seeded.advance(seconds=2)

    async def look(self) -> int:
        """Work on all that is due by itself; give how many that were."""
        claims = await self.services.dispatcher.due(100)
        for claim in claims:
            await self.services.reconciler.reconcile(claim)
        return len(claims)


class Seeded:
    """The zone: its rows by `sql`, Cloudflare's names by `control`."""

    def __init__(
        self, sandbox: RunningSandbox, settings: Settings, http: httpx.AsyncClient
    ) -> None:
        self._sandbox = sandbox
        self._settings = settings
        self._http = http
        self.sql: asyncpg.Connection

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """Start one more process."""
        asked = Asking()
        async with open_services(self._settings, cloudflare_transport=asked) as services:
            yield Worker(services, asked)

    async def control(self, path: str, *, method: str = "POST", **body: Any) -> None:
        url = f"{self._sandbox.url}/control/cloudflare{path}"
        answer = await self._http.request(method, url, json=body)
        assert answer.is_success, answer.text

    async def seed(self, count: int, *, pending: Sequence[int] = (), **statuses: str) -> None:
        """Load names at Cloudflare, and their rows as if they had been seen as they are."""
        await self.control("/seed", count=count, **statuses)
        if pending:
            await self.control("/seed/status", numbers=list(pending), hostname_status="pending")
        await self.advance(seconds=1)
        now = await self.sql.fetchval("SELECT nameplate_now()")
        views = await self._views(count)
        await Filling(self.sql, await default_zone(self.sql), now).fill(views)
        await self.advance(seconds=1)

    async def _views(self, count: int) -> list[CloudflareHostname]:
        sandbox, views = self._sandbox, list[CloudflareHostname]()
        url = f"{sandbox.cloudflare_base_url}/zones/{sandbox.cloudflare_zone_id}/custom_hostnames"
        headers = {"authorization": f"Bearer {sandbox.cloudflare_token}"}
        for page in range(1, -(-count // PER_PAGE) + 1):
            params = {"page": page, "per_page": PER_PAGE}
            answer = await self._http.get(url, params=params, headers=headers)
            views += [
                WireHostname.model_validate(row).to_domain() for row in answer.json()["result"]
            ]
        return views

    async def advance(self, **by: float) -> None:
        await self.sql.execute(ADVANCE, timedelta(**by))

    async def under_way(self) -> bool:
        """Whether a round is not at its end."""
        found = await self.sql.fetchval("SELECT 1 FROM list_scans WHERE page IS NOT NULL")
        return found is not None

    async def row(self, number: int) -> dict[str, Any]:
        """Give the narrow row of one name."""
        query = "SELECT * FROM schedules WHERE custom_hostname_id = $1"
        found = await self.sql.fetchrow(query, record_id(number))
        assert found is not None
        return dict(found)

    async def state(self, number: int) -> str:
        query = "SELECT state FROM custom_hostnames WHERE id = $1"
        return str(await self.sql.fetchval(query, record_id(number)))

    async def round(self, name: str = "all") -> dict[str, Any]:
        """Give how far a list is."""
        found = await self.sql.fetchrow("SELECT * FROM list_scans WHERE list = $1", name)
        assert found is not None
        return dict(found)


@asynccontextmanager
async def seeded_zone(database_url: str, data_dir: Path) -> AsyncIterator[Seeded]:
    """Run a sandbox over a fresh database, with the zone's lists to be read; no worker yet."""
    options = SandboxOptions(
        data_dir=data_dir, port=0, dns_port=0, receiver_port=0, speed=1, set_up=True
    )
    secrets = Secrets("np_" + "k" * 40, Fernet.generate_key().decode())
    async with (
        run_sandbox(options) as sandbox,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        settings = sandbox_settings(sandbox, database_url, secrets, inline_deadline=INLINE_SECONDS)
        async with open_services(settings) as services, services.database.transaction() as tx:
            (zone,) = await open_zones(tx)
            await put_lists(tx, zone.id, LISTS)
        seeded = Seeded(sandbox, settings, http)
        seeded.sql = await asyncpg.connect(database_url)
        try:
            yield seeded
        finally:
            await seeded.sql.close()
