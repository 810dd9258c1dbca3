"""The records and faults that tenants' names have by the control API, kept and served."""

from pydantic import TypeAdapter

from sandbox.dns_zone import Fault, RRset, World, checked, normal
from sandbox.store import Store

_RRSET_KIND, _FAULT_KIND = "rrset", "dns_fault"
_ROW = TypeAdapter(RRset)
_FAULT = TypeAdapter(Fault)


class TenantRecords:
    """Writes the DNS world through to the store."""

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world
        for _, value in store.rows(_RRSET_KIND):
            world.put(_ROW.validate_json(value))
        for name, value in store.rows(_FAULT_KIND):
            world.set_fault(name, _FAULT.validate_json(value))

    def put(self, rrset: RRset) -> list[RRset]:
        """Set all data of one type at one name; return what it displaced; raises BadRecordError."""
        good = checked(rrset)
        with self._store.transaction():
            displaced = self._world.put(good)
            for each in displaced:
                self._store.delete(_RRSET_KIND, _key(each.name, each.type))
            self._store.put(_RRSET_KIND, _key(good.name, good.type), _ROW.dump_json(good))
        return displaced

    def remove(self, name: str, rrtype: str) -> bool:
        """Remove all data of one type at one name; False if there was none."""
        self._store.delete(_RRSET_KIND, _key(normal(name), rrtype))
        return self._world.remove(normal(name), rrtype)

    def set_fault(self, name: str, fault: Fault) -> None:
        """Let questions for a name fail, or answer again."""
        self._world.set_fault(normal(name), fault)
        self._store.put(_FAULT_KIND, normal(name), _FAULT.dump_json(fault))


def _key(name: str, rrtype: str) -> str:
    return f"{name}/{rrtype}"
