"""The zone's fallback origin: set, deployed after a while, removed after a while."""

from collections.abc import Callable

from pydantic import TypeAdapter

from sandbox.agenda import Agenda, Key
from sandbox.clock import Clock
from sandbox.model import FallbackOrigin
from sandbox.store import Store
from sandbox.validation import fallback_origin_error

KEY: Key = ("fallback_origin", "")
_INITIALIZING_SECONDS = 1.0
_DEPLOYMENT_SECONDS = 2.0
_DELETION_SECONDS = 3.0
_UNPROXIED_RETRY_SECONDS = 60.0
NOT_PROXIED = (
    "DNS records are not setup correctly. Origin should be a proxied A/AAAA/CNAME dns record"
)
_ROW = TypeAdapter(FallbackOrigin)


class FallbackOriginKeeper:
    """Keeps at most one fallback origin and moves it through its statuses."""

    def __init__(self, clock: Clock, store: Store, is_proxied: Callable[[str], bool]) -> None:
        self._clock = clock
        self._store = store
        self._is_proxied = is_proxied
        stored = store.get(*KEY)
        self.current = _ROW.validate_json(stored) if stored else None

    def error(self) -> str | None:
        """Return why no hostname can validate yet, if so."""
        return fallback_origin_error(self.current.status if self.current else None)

    def put(self, origin: str, agenda: Agenda, *, status: str = "initializing") -> FallbackOrigin:
        """Set the fallback origin; it is deployed after some seconds."""
        wall = self._clock.wall()
        created_at = self.current.created_at if self.current else wall
        self.current = FallbackOrigin(origin, created_at, wall, status=status)
        if not self._is_proxied(origin):
            self.current.errors = [NOT_PROXIED]
            self.current.status = "pending_deployment"
        if self.current.status != "active":
            self.current.track.restart(self._clock.schedule() + _INITIALIZING_SECONDS)
        self._save(agenda)
        return self.current

    def delete(self, agenda: Agenda) -> FallbackOrigin | None:
        """Begin to remove the fallback origin; from now on it serves nobody."""
        if self.current:
            self.current.status = "pending_deletion"
            self.current.track.restart(self._clock.schedule() + _DELETION_SECONDS)
            self._save(agenda)
        return self.current

    def resume(self, agenda: Agenda) -> None:
        """Go on after a restart."""
        if self.current:
            agenda.plan(KEY, self.current.track.due)

    def step(self, agenda: Agenda) -> None:
        """Take the step that is due."""
        if self.current is None or self.current.track.due is None:
            return
        at = self.current.track.due
        if self.current.status == "initializing":
            self.current.status = "pending_deployment"
            self.current.track.due = at + _DEPLOYMENT_SECONDS
        elif self.current.status == "pending_deployment":
            if not self._is_proxied(self.current.origin):
                self.current.track.due = at + _UNPROXIED_RETRY_SECONDS
                self._save(agenda)
                return
            self.current.errors = []
            self.current.status = "active"
            self.current.updated_at = self._clock.wall()
            self.current.track.stop()
        else:
            self.current = None
        self._save(agenda)

    def _save(self, agenda: Agenda) -> None:
        if self.current is None:
            self._store.delete(*KEY)
            return
        self._store.put(*KEY, _ROW.dump_json(self.current))
        agenda.plan(KEY, self.current.track.due)
