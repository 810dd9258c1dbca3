"""Which names Cloudflare blocks: those below a held zone, and those flagged for abuse.

Knows names only; that a hostname becomes `blocked` by it is `hostname_course`. The texts are a
reading: Cloudflare does not document them.
"""

from sandbox.dns_zone import ancestors, normal
from sandbox.store import Store

HELD = (
    "The hostname is associated with a held zone. Please contact the owner of this domain to "
    "have the hold removed."
)
FLAGGED = (
    "The hostname is blocked: it was previously associated with abuse. Please contact support."
)
_HOLD_KIND, _BLOCK_KIND = "zone_hold", "abuse_block"


class Holds:
    """Tenants' own zones that are held, and hostnames flagged for abuse."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = {name for name, _ in store.rows(_HOLD_KIND)}
        self._flagged = {name for name, _ in store.rows(_BLOCK_KIND)}

    def hold(self, domain: str, *, held: bool) -> None:
        """Hold a tenant's zone, or release it."""
        self._keep(_HOLD_KIND, self._held, normal(domain), kept=held)

    def flag(self, hostname: str, *, blocked: bool) -> None:
        """Flag a hostname for abuse, or clear it."""
        self._keep(_BLOCK_KIND, self._flagged, normal(hostname), kept=blocked)

    def error(self, hostname: str) -> str | None:
        """Return why a hostname is blocked, if it is."""
        if hostname in self._flagged:
            return FLAGGED
        names = (hostname, *ancestors(hostname)) if self._held else ()
        return HELD if self._held.intersection(names) else None

    def _keep(self, kind: str, names: set[str], name: str, *, kept: bool) -> None:
        if kept:
            names.add(name)
            self._store.put(kind, name, b"")
        else:
            names.discard(name)
            self._store.delete(kind, name)
