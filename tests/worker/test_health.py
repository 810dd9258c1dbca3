"""The worker's health: a loop that hangs is named, even where the event loop itself hangs."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.web.serve import PortInUse
from app.worker import health_server
from app.worker.health_server import DEFAULT_PORT, bind_metrics, served
from app.worker.heartbeats import HUNG_SECONDS, Heartbeats
from app.worker.loop import POLL_SECONDS, Loop, Work


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(sock: socket.socket, path: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{sock.getsockname()[1]}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def work(name: str, *, hangs: bool) -> Work[int]:
    async def claim(_: int) -> Sequence[int]:
        if hangs:
            await asyncio.Event().wait()
        return []

    async def perform(_: int) -> None:
        raise AssertionError("nothing was claimed")

    return Work(name=name, claim=claim, perform=perform)


async def test_a_loop_that_hangs_is_named_and_the_others_are_not() -> None:
    stop, clock = asyncio.Event(), Clock()
    heartbeats = Heartbeats(clock=clock)
    sock = bind_metrics("127.0.0.1", 0)
    with served(sock, heartbeats):
        running = [
            asyncio.create_task(
                Loop(
                    work(name, hangs=hangs),
                    concurrency=1,
                    woken=asyncio.Event(),
                    stop=stop,
                    heartbeat=heartbeats.of(name),
                ).run()
            )
            for name, hangs in (("stuck", True), ("fine", False))
        ]
        await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(ask, sock, "/healthz"))[0] == 200
        clock.now = HUNG_SECONDS + 1
        await asyncio.sleep(1.5 * POLL_SECONDS)
        status, body = await asyncio.to_thread(ask, sock, "/healthz")
        text = (await asyncio.to_thread(ask, sock, "/metrics"))[1]
        stop.set()
        await asyncio.gather(*running)
    assert (status, json.loads(body)["loops"]) == (503, ["stuck"])
    assert json.loads(body)["code"] == "worker_hung"
    assert f'heartbeat_age_seconds{{loop="stuck"}} {HUNG_SECONDS + 1}' in text
    assert 'heartbeat_age_seconds{loop="fine"} 0.0' in text


async def test_a_blocked_event_loop_is_found_out_while_it_is_blocked() -> None:
    stop, clock = asyncio.Event(), Clock()
    heartbeats = Heartbeats(clock=clock)
    sock = bind_metrics("127.0.0.1", 0)
    go = threading.Event()

    def ask_while_blocked() -> tuple[int, str]:
        go.wait(5)
        clock.now = HUNG_SECONDS + 1
        return ask(sock, "/healthz")

    with served(sock, heartbeats), ThreadPoolExecutor(1) as thread:
        loop = Loop(
            work("blocked", hangs=False),
            concurrency=1,
            woken=asyncio.Event(),
            stop=stop,
            heartbeat=heartbeats.of("blocked"),
        )
        running = asyncio.create_task(loop.run())
        await asyncio.sleep(0.05)
        asked = thread.submit(ask_while_blocked)
        go.set()
        # No await: nothing else in this event loop goes on until the answer is there.
        status, body = asked.result(10)
        stop.set()
        await running
    assert (status, json.loads(body)["loops"]) == (503, ["blocked"])


def test_a_second_worker_on_a_machine_takes_another_port_unless_one_was_named() -> None:
    with bind_metrics("127.0.0.1", None) as first, bind_metrics("127.0.0.1", None) as second:
        taken = first.getsockname()[1]
        assert second.getsockname()[1] not in {taken, DEFAULT_PORT}
        with pytest.raises(PortInUse, match="choose another with --metrics-port"):
            bind_metrics("127.0.0.1", taken)


def test_a_client_that_says_nothing_holds_nobody_up() -> None:
    heartbeats = Heartbeats()
    heartbeats.of("loop")
    sock = bind_metrics("127.0.0.1", 0)
    with served(sock, heartbeats), socket.create_connection(sock.getsockname()):
        began = time.monotonic()
        assert ask(sock, "/healthz")[0] == 200
        assert time.monotonic() - began < health_server.REQUEST_SECONDS / 2
