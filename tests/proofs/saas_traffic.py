"""What the backends of a SaaS product send: mostly "whose domain is this?", and polls of one."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from tests.proofs.offered_load import Ask

TENANTS = 1_000
PATH = "/v1/custom-hostnames"
SHARES = {
    "resolve": 36,
    "get": 30,
    "records": 6,
    "list": 6,
    "greedy": 10,
    "post": 5,
    "patch": 4,
    "tenant's summary": 1,
    "summary": 1,
    "repeated post": 1,
}
"""In hundredths. `greedy` is a GET by one key that sends more than it may."""
OF_A_LIST = 20


@dataclass(frozen=True, slots=True)
class Known:
    """A hostname that the service has."""

    id: str
    hostname: str
    tenant: str


class SaasTraffic:
    """Requests about known hostnames, and new hostnames, by many keys."""

    def __init__(self, known: list[Known], keys: list[str], greedy_key: str) -> None:
        self.accepted: dict[str, Known] = {}
        """The new hostnames that were answered 201, by name."""
        self.refused: dict[str, str] = {}
        """The code of the refusal of each other one."""
        self._known = known
        self._keys = keys
        # In turn, so that all keys but the greedy one send alike.
        self._next_key = cycle(keys)
        self._greedy_key = greedy_key
        self._of_tenant = Counter(each.tenant for each in known)
        self._posts: list[tuple[int, Known]] = []
        self._made = self._patched = 0
        self._random = random.Random(4711)  # noqa: S311 - no secret

    def next(self, *, with_greedy: bool) -> Ask:
        """Draw the next request."""
        kinds = [kind for kind in SHARES if with_greedy or kind != "greedy"]
        (kind,) = self._random.choices(kinds, [SHARES[kind] for kind in kinds])
        match kind:
            case "post":
                return self._post()
            case "repeated post":
                return self._repeated_post()
            case "patch":
                return self._patch()
            case _:
                return self._read(kind, self._random.choice(self._known))

    def _read(self, kind: str, one: Known) -> Ask:
        key = self._greedy_key if kind == "greedy" else next(self._next_key)
        path, is_right = self._of_read(kind, one)
        return Ask(kind, _wire("GET", path, key), 200, is_right)

    def _of_read(self, kind: str, one: Known) -> tuple[str, Callable[[dict[str, Any]], bool]]:
        tenant = one.tenant
        match kind:
            case "resolve":
                return f"/v1/resolve?hostname={one.hostname}", _is(one)
            case "records":
                return f"{PATH}/{one.id}/records", lambda shown: any(
                    record["name"] == one.hostname for record in shown["records"]
                )
            case "list":
                return (
                    f"{PATH}?tenant={tenant}&limit={OF_A_LIST}",
                    lambda shown: {each["tenant"] for each in shown["data"]} == {tenant},
                )
            case "tenant's summary":
                least = self._of_tenant[tenant]
                return f"/v1/summary?tenant={tenant}", lambda shown: shown["hostnames"] >= least
            case "summary":
                least = len(self._known)
                return "/v1/summary", lambda shown: shown["hostnames"] >= least
            case _:
                return f"{PATH}/{one.id}", _is(one)

    def _post(self) -> Ask:
        number, self._made = self._made, self._made + 1
        hostname, tenant = _new(number)

        def is_right(shown: dict[str, Any]) -> bool:
            made = Known(shown["id"], hostname, tenant)
            self.accepted[hostname] = made
            self._posts.append((number, made))
            return _is(made)(shown)

        def refused(code: str) -> None:
            self.refused[hostname] = code

        return Ask("post", self._wire_of_post(number), 201, is_right, refused)

    def _repeated_post(self) -> Ask:
        """Repeat a POST as after a lost answer: it is answered as the first time."""
        if not self._posts:
            return self._post()
        number, made = self._random.choice(self._posts)
        return Ask("repeated post", self._wire_of_post(number), 201, _is(made))

    def _patch(self) -> Ask:
        # In turn, so that no hostname is edited twice at a time.
        one = self._known[self._patched % len(self._known)]
        self._patched += 1
        labels = {"batch": f"batch-{self._patched}"}

        def is_right(shown: dict[str, Any]) -> bool:
            return _is(one)(shown) and shown["labels"] == labels

        key = next(self._next_key)
        wire = _wire("PATCH", f"{PATH}/{one.id}", key, {"labels": labels}, f"p{self._patched}")
        return Ask("patch", wire, 200, is_right)

    def _wire_of_post(self, number: int) -> bytes:
        hostname, tenant = _new(number)
        # An Idempotency-Key belongs to the API key that it was sent with.
        key = self._keys[number % len(self._keys)]
        return _wire("POST", PATH, key, {"hostname": hostname, "tenant": tenant}, f"n{number}")


def _new(number: int) -> tuple[str, str]:
    return f"shop.new-{number}.com", f"tenant-{number % TENANTS}"


def _is(one: Known) -> Callable[[dict[str, Any]], bool]:
    wanted = (one.id, one.hostname, one.tenant)
    return lambda shown: (shown["id"], shown["hostname"], shown["tenant"]) == wanted


def _wire(
    method: str,
    path: str,
    key: str,
    body: dict[str, Any] | None = None,
    idempotency_key: str = "",
) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {key}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    text = json.dumps(body)
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        f"Idempotency-Key: {idempotency_key}\r\n\r\n{text}"
    ).encode()
