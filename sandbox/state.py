"""The sandbox as a whole: all its parts, restored from the store or begun anew.

Wires the parts and does what concerns several of them; sockets are `server`.
"""

import asyncio
from collections.abc import Sequence

from pydantic import TypeAdapter

from sandbox import constants, route_table
from sandbox.account import Account
from sandbox.account_api import AccountApi
from sandbox.answer_forms import AnswerForms
from sandbox.beginning import Beginning
from sandbox.certificate_course import CertificateCourse
from sandbox.clock import Clock, ClockState
from sandbox.custom_hostnames_api import CustomHostnamesApi
from sandbox.dns_records_api import DnsRecordsApi
from sandbox.dns_zone import World
from sandbox.fallback import FallbackOriginKeeper
from sandbox.fallback_api import FallbackApi
from sandbox.faults import FaultInjector
from sandbox.gateway import Gateway
from sandbox.holds import Holds
from sandbox.hostname_answers import HostnameAnswers
from sandbox.hostname_course import HostnameCourse
from sandbox.hostname_request import HostnameRequests
from sandbox.hostnames import CustomHostnames
from sandbox.identifiers import Waits
from sandbox.lifecycle import Lifecycle
from sandbox.lookup import Lookup, in_process, over_sockets
from sandbox.model import ZoneRecord
from sandbox.odd_answers import OddAnswers
from sandbox.rate_limit import RateLimits
from sandbox.receiver import Receiver
from sandbox.removed_hostnames import RemovedHostnames
from sandbox.seeding import Seeding
from sandbox.store import Store
from sandbox.tenant_records import TenantRecords
from sandbox.token import ApiToken
from sandbox.validation import Validator
from sandbox.zone_records import ZoneRecords

_CLOCK_KIND = "clock"
_CLOCK = TypeAdapter(ClockState)


class Sandbox:
    """All parts. A reset replaces them, so nobody may keep one across an await.

    Without a DNS address Cloudflare's looks ask the world itself, without sockets.
    """

    def __init__(
        self, store: Store, beginning: Beginning, dns_address: tuple[str, int] | None
    ) -> None:
        self._store = store
        self._beginning = beginning
        self.world = World(self._delegated_tokens)
        exchange = over_sockets(*dns_address) if dns_address else in_process(self.world)
        self._lookup = Lookup(exchange, self.world)
        self._restore()
        self._agenda_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let time do its work from now on."""
        self._agenda_task = asyncio.create_task(self.lifecycle.agenda.serve())

    async def stop(self) -> None:
        """Let nothing happen any more."""
        if self._agenda_task:
            self._agenda_task.cancel()
            await asyncio.wait([self._agenda_task])

    async def reset(self) -> None:
        """Go back to the beginning."""
        was_started = self._agenda_task is not None
        await self.stop()
        self._store.clear()
        self._restore()
        if was_started:
            self.start()

    async def advance(self, seconds: float) -> None:
        """Let wall time pass and do all that falls due by then."""
        self.clock.advance(seconds)
        self._save_clock()
        self.lifecycle.agenda.wake()
        await self.lifecycle.agenda.settle()

    def set_clock(self, *, speed: float | None = None, frozen: bool | None = None) -> None:
        """Run schedule time at another speed, freeze both clocks or let them go; None: as is."""
        if speed is not None:
            self.clock.set_speed(speed)
        if frozen is not None:
            (self.clock.freeze if frozen else self.clock.thaw)()
        self._save_clock()
        self.lifecycle.agenda.wake()

    def _restore(self) -> None:
        store, beginning = self._store, self._beginning
        stored_clock = store.get(_CLOCK_KIND, "")
        self.clock = (
            Clock(_CLOCK.validate_json(stored_clock)) if stored_clock else beginning.clock()
        )
        self._identifiers = beginning.identifiers()
        self.world.clear()
        self.tenant_records = TenantRecords(store, self.world)
        self.zone_records = ZoneRecords(store, self.world)
        self.hostnames = CustomHostnames(store)
        is_proxied = self.zone_records.is_proxied
        self.fallback = FallbackOriginKeeper(self.clock, store, is_proxied)
        self.account = Account(store)
        self.token = ApiToken(self.clock, store)
        self.forms = AnswerForms(store)
        self.odd_answers = OddAnswers(store)
        removed = RemovedHostnames(self.clock, store)
        self.answers = HostnameAnswers(self.forms, self.odd_answers, removed)
        self.holds = Holds(store)
        self.limits = RateLimits(self.clock, store)
        self.faults = FaultInjector(store)
        self.receiver = Receiver(self.clock, store)
        waits = Waits(beginning.seed)
        self.lifecycle = self._new_lifecycle(waits)
        self.requests = HostnameRequests(
            self.clock,
            self.hostnames,
            self.fallback,
            self.zone_records,
            self.account,
            self._identifiers,
            waits,
        )
        self.seeding = Seeding(self.clock, self.hostnames, self.lifecycle)
        self.gateway = self._new_gateway()
        if stored_clock is None:
            self._begin()

    def _begin(self) -> None:
        with self._store.transaction():
            if self._beginning.set_up:
                self._set_up_zone()
            self._save_clock()

    def _new_lifecycle(self, waits: Waits) -> Lifecycle:
        validator = Validator(self._lookup, self.world)
        return Lifecycle(
            self.clock,
            self.hostnames,
            self.fallback,
            HostnameCourse(self.clock, validator, self.fallback, self.holds),
            CertificateCourse(self.clock, validator, waits, self._identifiers, self.forms),
        )

    def _new_gateway(self) -> Gateway:
        hostnames = CustomHostnamesApi(
            self.hostnames,
            self.requests,
            self.lifecycle,
            self.limits,
            self.account,
            self.forms,
            self.answers,
        )
        account = AccountApi(self.clock.state.started_at, self.account, self.token)
        records = DnsRecordsApi(self.clock, self.zone_records, self._identifiers)
        fallback = FallbackApi(self.fallback, self.zone_records, self.lifecycle.agenda, self.forms)
        table = route_table.routes(hostnames, fallback, records, account)
        return Gateway(table, self.token, self.account, self.limits, self.faults, self.forms)

    def _set_up_zone(self) -> None:
        """Do what a provider does once: both records and an active fallback origin."""
        self._add_record(constants.FALLBACK_ORIGIN, "A", constants.ORIGIN_ADDRESS)
        self._add_record(constants.CNAME_TARGET, "CNAME", constants.FALLBACK_ORIGIN)
        agenda = self.lifecycle.agenda
        self.fallback.put(constants.FALLBACK_ORIGIN, agenda, status="active")

    def _add_record(self, name: str, rrtype: str, content: str) -> None:
        wall = self.clock.wall()
        self.zone_records.save(
            ZoneRecord(
                sequence=self.zone_records.next_sequence(),
                id=self._identifiers.hex(),
                type=rrtype,
                name=name,
                content=content,
                ttl=1,
                proxied=True,
                created_on=wall,
                modified_on=wall,
            )
        )

    def _delegated_tokens(self, name: str) -> Sequence[str] | None:
        """Return what Cloudflare publishes under the delegation's name for a hostname."""
        hostname = self.hostnames.named(name)
        return hostname.ssl.tokens if hostname and hostname.ssl else None

    def _save_clock(self) -> None:
        self._store.put(_CLOCK_KIND, "", _CLOCK.dump_json(self.clock.state))
