"""Custom hostnames that stay readable by their id for a time after a DELETE."""

import json
from typing import Any

from sandbox.clock import Clock
from sandbox.envelope import encode
from sandbox.store import Store

_KIND = "removed_hostname"


class RemovedHostnames:
    """What is shown of each, until when by the schedule clock. Lists do not show them."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store

    def keep(self, shown: dict[str, Any], status: str, seconds: float) -> None:
        """Let a removed custom hostname be readable with a status."""
        ssl = shown.get("ssl")
        last = {**shown, "status": status}
        if isinstance(ssl, dict):
            last["ssl"] = {**ssl, "status": status}
        row = {"shown": last, "until": self._clock.schedule() + seconds}
        self._store.put(_KIND, shown["id"], encode(row))

    def get(self, hostname_id: str) -> dict[str, Any] | None:
        """Return what is still shown of a removed custom hostname."""
        stored = self._store.get(_KIND, hostname_id)
        if stored is None:
            return None
        row = json.loads(stored)
        if self._clock.schedule() < row["until"]:
            return dict(row["shown"])
        self._store.delete(_KIND, hostname_id)
        return None
