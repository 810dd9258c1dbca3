"""Log lines: whose request, which hostname, which call; and nothing secret among them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import get_contextvars

from app.logging import set_up_logging
from app.web.middleware import RequestMiddleware
from tests.support import Service


class Lines(io.StringIO):
    def all(self, event: str) -> list[dict[str, Any]]:
        read = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in read if line["event"] == event]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Write logs at debug, as a process does, to where they can be read."""
    kept, before = Lines(), structlog.get_config()
    monkeypatch.setattr("sys.stderr", kept)
    set_up_logging("json", "debug")
    yield kept
    # As it was: this test's standard error is closed at its end.
    structlog.configure(**before)


async def test_a_requests_id_is_in_the_lines_of_its_reconcile_and_in_no_others(
    lines: Lines, service: Service
) -> None:
    response = await service.http.post(
        "/v1/custom-hostnames",
        json={"hostname": "shop.blue-kettle.com", "tenant": "t"},
        headers={"X-Request-Id": "the-first"},
    )
    hostname = response.json()
    await service.point_here(hostname)
    await service.follow(hostname["id"], "cname_verified")
    # The worker reads the zone's list, for nobody's request.
    await service.scan_lists()
    (created,) = [
        line
        for line in lines.all("cloudflare_called")
        if line["method"] == "POST" and line["route"] == "/zones/{zone_id}/custom_hostnames"
    ]
    assert created["request_id"] == "the-first"
    assert created["custom_hostname"] == hostname["id"]
    assert created["hostname"] == "shop.blue-kettle.com"
    assert created["status"] == "201"
    assert created["cloudflare_zone"] == service.stack.cloudflare_zone_id
    assert created["duration_ms"] >= 0
    assert created["level"] == "debug"
    changed = lines.all("state_changed")
    assert [line["after"] for line in changed][-1] == "cname_verified"
    assert {line["hostname"] for line in changed} == {"shop.blue-kettle.com"}
    first = [line for line in changed if line.get("request_id") == "the-first"]
    assert first == changed[: len(first)]
    # What another request or the worker found later is not the first one's.
    assert changed[-1].get("request_id") != "the-first"
    worked = [line for line in lines.all("cloudflare_called") if "request_id" not in line]
    assert worked


async def test_no_secret_is_in_any_line(lines: Lines, service: Service) -> None:
    endpoint = await service.http.post(
        "/v1/webhook-endpoints", json={"url": f"{service.stack.receiver}/secret-hook"}
    )
    await service.world.control("PUT", "/receiver", status=500)
    await service.world.control(
        "PUT", "/cloudflare/faults", rate=0.4, kinds=[429, 500, "reset"], seed=1
    )
    for number in range(6):
        await service.create(f"shop.quiet-{number}.com")
    await service.http.get("/v1/custom-hostnames", headers={"Authorization": "Bearer np_wrong_key"})
    await service.http.get("/v1/custom-hostnames/ch_none")

    async def has_failed() -> bool:
        return bool(lines.all("delivery_failed"))

    await service.eventually(has_failed)
    text = lines.getvalue()
    assert lines.all("cloudflare_called")
    assert lines.all("request")
    secrets = [
        service.stack.api_key,
        service.stack.cloudflare_token,
        endpoint.json()["secret"],
        "np_wrong_key",
        "Bearer",
    ]
    assert [each for each in secrets if each in text] == []


async def test_what_a_request_bound_is_gone_when_it_has_ended() -> None:
    seen: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        seen.append(get_contextvars())
        await asyncio.create_task(note())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def note() -> None:
        seen.append(get_contextvars())

    async def send(_: Any) -> None:
        pass

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"x-request-id", b"mine")],
    }
    await RequestMiddleware(app)(scope, receive, send)
    assert seen == [{"request_id": "mine"}, {"request_id": "mine"}]
    assert "request_id" not in get_contextvars()


@pytest.mark.parametrize(
    ("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_the_level_is_the_least_that_is_written(
    capsys: pytest.CaptureFixture[str], level: str, written: int
) -> None:
    before = structlog.get_config()
    set_up_logging("json", level)
    log = structlog.get_logger()
    for each in ("debug", "info", "warning", "error"):
        getattr(log, each)("one")
    structlog.configure(**before)
    assert len(capsys.readouterr().err.splitlines()) == written
