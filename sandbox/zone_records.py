"""The DNS records of the provider's zone: kept here, served by the DNS world."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from sandbox import constants
from sandbox.dns_zone import DEFAULT_TTL, RRset, World, checked, is_proxied, normal, zone_of
from sandbox.model import ZoneRecord
from sandbox.store import Store

_KIND = "zone_record"
_ROW = TypeAdapter(ZoneRecord)
_AUTOMATIC = 1
_ORIGIN_TYPES = frozenset({"A", "AAAA", "CNAME"})


class ZoneRecords:
    """Records one by one; the world has them as sets by name and type."""

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world
        self._by_id: dict[str, ZoneRecord] = {}
        rows = [_ROW.validate_json(value) for _, value in store.rows(_KIND)]
        for record in sorted(rows, key=lambda row: row.sequence):
            self._by_id[record.id] = record
        for record in self._by_id.values():
            self._publish(record.name, record.type)

    def next_sequence(self) -> int:
        """Return a number higher than any record has."""
        return max((row.sequence for row in self._by_id.values()), default=0) + 1

    def get(self, record_id: str) -> ZoneRecord | None:
        """Return the record with an id."""
        return self._by_id.get(record_id)

    def all(self) -> Sequence[ZoneRecord]:
        """Return all, oldest first."""
        return list(self._by_id.values())

    def at(self, name: str) -> list[ZoneRecord]:
        """Return all records of a name."""
        return [row for row in self._by_id.values() if row.name == name]

    def has_origin(self, name: str) -> bool:
        """Say whether the zone has an address or alias for a name."""
        return any(row.type in _ORIGIN_TYPES for row in self.at(name))

    def is_proxied(self, name: str) -> bool:
        """Say whether a name of the zone is proxied."""
        node = self._world.node(name)
        return zone_of(name) == constants.ZONE_NAME and is_proxied(node or {})

    def save(self, record: ZoneRecord, replaced: ZoneRecord | None = None) -> None:
        """Keep a record, in the place of another if it was edited; raises BadRecordError."""
        checked(_rrset([record]))
        self._by_id[record.id] = record
        self._store.put(_KIND, record.id, _ROW.dump_json(record))
        if replaced and (replaced.name, replaced.type) != (record.name, record.type):
            self._publish(replaced.name, replaced.type)
        self._publish(record.name, record.type)

    def remove(self, record: ZoneRecord) -> None:
        """Remove a record."""
        del self._by_id[record.id]
        self._store.delete(_KIND, record.id)
        self._publish(record.name, record.type)

    def forget(self, name: str, rrtype: str) -> None:
        """List a name's records of a type no more; the world has been given others, or none."""
        for record in self.at(normal(name)):
            if record.type == rrtype:
                del self._by_id[record.id]
                self._store.delete(_KIND, record.id)

    def _publish(self, name: str, rrtype: str) -> None:
        records = [row for row in self.at(name) if row.type == rrtype]
        if records:
            self._world.put(checked(_rrset(records)))
        else:
            self._world.remove(name, rrtype)


def _rrset(records: Sequence[ZoneRecord]) -> RRset:
    first = records[0]
    ttl = DEFAULT_TTL if first.ttl == _AUTOMATIC else first.ttl
    values = tuple(dict.fromkeys(row.value for row in records))
    return RRset(first.name, first.type, values, ttl, any(row.proxied for row in records))
