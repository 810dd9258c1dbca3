"""The zone's custom hostnames, found by id, name and status without reading them all.

Keeps and finds; how a hostname changes is `lifecycle`, what may be asked is `hostname_query`.
"""

from collections.abc import Iterable

from pydantic import TypeAdapter

from app.sandbox.model import CustomHostname
from app.sandbox.store import Store

_KIND = "custom_hostname"
_ROW = TypeAdapter(CustomHostname)


class CustomHostnames:
    """All of them in the order of their creation, written through to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[str, CustomHostname] = {}
        self._by_name: dict[str, CustomHostname] = {}
        self._by_status: dict[str, dict[str, CustomHostname]] = {}
        self._by_ssl_status: dict[str | None, dict[str, CustomHostname]] = {}
        self._statuses: dict[str, tuple[str, str | None]] = {}
        self._last_sequence = 0
        rows = [_ROW.validate_json(value) for _, value in store.rows(_KIND)]
        for hostname in sorted(rows, key=lambda row: row.sequence):
            self._remember(hostname)

    def __len__(self) -> int:
        return len(self._by_id)

    def next_sequence(self) -> int:
        """Return a number higher than any given before in this zone."""
        self._last_sequence += 1
        return self._last_sequence

    def get(self, hostname_id: str) -> CustomHostname | None:
        """Return the custom hostname with an id."""
        return self._by_id.get(hostname_id)

    def named(self, name: str) -> CustomHostname | None:
        """Return the custom hostname of a name."""
        return self._by_name.get(name)

    def all(self) -> Iterable[CustomHostname]:
        """Return all, oldest first."""
        return self._by_id.values()

    def with_status(self, status: str) -> Iterable[CustomHostname]:
        """Return those with a hostname status, in no order."""
        return self._by_status.get(status, {}).values()

    def with_ssl_status(self, status: str) -> Iterable[CustomHostname]:
        """Return those with a certificate status, in no order."""
        return self._by_ssl_status.get(status, {}).values()

    def save(self, hostname: CustomHostname) -> None:
        """Keep a new or changed custom hostname."""
        self._remember(hostname)
        self._store.put(_KIND, hostname.id, _ROW.dump_json(hostname))

    def remove(self, hostname: CustomHostname) -> None:
        """Forget a custom hostname."""
        self._forget_statuses(hostname.id)
        del self._by_id[hostname.id]
        del self._by_name[hostname.hostname]
        self._store.delete(_KIND, hostname.id)

    def _remember(self, hostname: CustomHostname) -> None:
        self._forget_statuses(hostname.id)
        self._by_id[hostname.id] = hostname
        self._by_name[hostname.hostname] = hostname
        status, ssl_status = hostname.status, hostname.ssl_status
        self._by_status.setdefault(status, {})[hostname.id] = hostname
        self._by_ssl_status.setdefault(ssl_status, {})[hostname.id] = hostname
        self._statuses[hostname.id] = (status, ssl_status)
        self._last_sequence = max(self._last_sequence, hostname.sequence)

    def _forget_statuses(self, hostname_id: str) -> None:
        if known := self._statuses.pop(hostname_id, None):
            status, ssl_status = known
            del self._by_status[status][hostname_id]
            del self._by_ssl_status[ssl_status][hostname_id]
