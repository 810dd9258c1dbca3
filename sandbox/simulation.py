"""The sandbox inside a simulation: no sockets, no files, and time that only the simulation moves.

    with simulated(begins_at=1_800_000_000.0, seed=7) as sandbox:
        transport = httpx.ASGITransport(app=front(sandbox))
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as cloudflare: ...

        sandbox.tenant_records.put(RRset("shop.acme.com", "CNAME", (f"{CNAME_TARGET}.",)))
        await sandbox.advance(15)  # all that falls due has happened
        sandbox.world.rrset("shop.acme.com", "A")

`world.rrset` is what the public sees at one name; `dns_answer.answer(sandbox.world, query)` gives
whole messages, CNAMEs followed, and None where the name's fault is silence.

The hand of the control API is on the parts: `tenant_records`, `limits.set_limits`, `faults.set`,
`account.set`, `token.set`, `forms.set`, `holds`, `seeding`, `hostnames`, `lifecycle`, `set_clock`,
`reset`. A reset replaces them, so take them from the sandbox each time. Do not call `start`:
`advance` alone does what is due, `advance(0)` what is due at once, such as the first look at a new
name. Injected `timeout` and `reset` faults are raised as `httpx.ReadTimeout` and `httpx.ReadError`.

The same seed, calls and advances in the same order give the same answers, identifiers and tokens
included.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sandbox.beginning import Beginning
from sandbox.gateway import BASE_PATH
from sandbox.state import Sandbox
from sandbox.store import Store

BASE_URL = f"http://cloudflare.sandbox{BASE_PATH}"


@contextmanager
def simulated(
    *, begins_at: float, speed: float = 1.0, set_up: bool = True, seed: int = 0
) -> Iterator[Sandbox]:
    """Yield a sandbox whose clocks stand at a wall time until they are advanced."""
    with closing(Store(None)) as store:
        yield Sandbox(store, Beginning(speed, set_up, seed, begins_at), None)
