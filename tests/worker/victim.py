"""Run the API or a worker that kills itself at a named point: `victim.py api|worker POINT [PORT]`.

A point is a checkpoint's name, with `#2` for its second time. `never` makes a healthy process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable

import uvloop

from app.bootstrap import open_services
from app.main import serve_api
from app.settings import load_settings
from app.web.serve import bind
from app.worker.health_server import bind_metrics
from app.worker.run import run_worker


def dies_at(point: str) -> Callable[[str], None]:
    """Give a checkpoint that ends this process as nothing else could: by SIGKILL."""
    seen: Counter[str] = Counter()

    def checkpoint(name: str) -> None:
        seen[name] += 1
        if point in {name, f"{name}#{seen[name]}"} and ("#" in point or seen[name] == 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


async def main(kind: str, point: str, port: int) -> None:
    settings = load_settings()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if kind == "api":
        sock = bind("127.0.0.1", port, "the API")
        await serve_api(settings, sock, stop, checkpoint=dies_at(point))
        return
    async with open_services(settings, checkpoint=dies_at(point)) as services:
        await run_worker(services, stop, concurrency=8, metrics=bind_metrics("127.0.0.1", 0))


if __name__ == "__main__":
    # As the commands run.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
