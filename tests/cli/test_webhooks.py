"""`nameplate webhooks`: events forwarded to a receiver, and signatures judged, in single lines."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from app.domain.event_samples import sample_body
from app.domain.events import EventType, ZoneEventType
from app.webhook_commands.listening import CannotListen, Frame, Source, check_receiver, frames
from app.webhook_commands.listening import listen as forward_events
from app.webhook_commands.verification import (
    Keys,
    NotToBeJudged,
    Received,
    judge,
    parse_request,
)
from tests.cli.test_commands import ROOT, nameplate
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 60
NOW = 1_795_428_126
ID = "evt_01kb2r7m3v4x5y6z7a8b9c0d04"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
PUBLIC_KEY = "whpk_" + base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
BODY = json.dumps(sample_body(EventType.CNAME_VERIFIED)).encode()


def v1(secret: str = SECRET, body: bytes = BODY, at: int = NOW) -> str:
    return Webhook(secret).sign(ID, datetime.fromtimestamp(at, UTC), body.decode())


def v1a(body: bytes = BODY, at: int = NOW) -> str:
    signature = PRIVATE.sign(f"{ID}.{at}.".encode() + body)
    return f"v1a,{base64.b64encode(signature).decode()}"


BY_SECRET = Keys.of(secret=SECRET, public_key=None)
BY_PUBLIC_KEY = Keys.of(secret=None, public_key=PUBLIC_KEY)
BY_BOTH = Keys.of(secret=SECRET, public_key=PUBLIC_KEY)
CASES: list[tuple[str, Keys, Received, int, str]] = [
    ("good", BY_SECRET, Received(ID, str(NOW), v1(), BODY), NOW, "right: the v1 signature fits"),
    (
        "good, by Ed25519",
        BY_PUBLIC_KEY,
        Received(ID, str(NOW), v1a(), BODY),
        NOW + 299,
        "right: the v1a signature fits",
    ),
    (
        "the second of two",
        BY_SECRET,
        Received(ID, str(NOW), f"{v1(OTHER)} {v1()}", BODY),
        NOW,
        "right: the v1 signature fits",
    ),
    (
        "beside an unknown version",
        BY_BOTH,
        Received(ID, str(NOW), f"v2,AAAA {v1a()}", BODY),
        NOW,
        "right: the v1a signature fits",
    ),
    (
        "wrong secret",
        BY_SECRET,
        Received(ID, str(NOW), v1(OTHER), BODY),
        NOW,
        "wrong secret or changed body: no signature fits",
    ),
    (
        "changed body",
        BY_PUBLIC_KEY,
        Received(ID, str(NOW), v1a(), BODY.replace(b"customer-42", b"customer-43")),
        NOW,
        "wrong secret or changed body: no signature fits",
    ),
    (
        "a body that is not UTF-8",
        BY_SECRET,
        Received(ID, str(NOW), v1(), b"\xff"),
        NOW,
        "wrong secret or changed body: no signature fits",
    ),
    (
        "a line break at the end",
        BY_SECRET,
        Received(ID, str(NOW), v1(), BODY + b"\n"),
        NOW,
        "changed body: the signature fits without the line break at the end",
    ),
    (
        "a body that was written again",
        BY_SECRET,
        Received(ID, str(NOW), v1(), json.dumps(json.loads(BODY), indent=2).encode()),
        NOW,
        "changed body: the signature fits the JSON as it was sent; verify the bytes that arrived",
    ),
    (
        "too old",
        BY_SECRET,
        Received(ID, str(NOW), v1(), BODY),
        NOW + 301,
        "too old: it is 301 s old, and receivers accept 300 s; the v1 signature fits",
    ),
    (
        "too new",
        BY_SECRET,
        Received(ID, str(NOW), v1(), BODY),
        NOW - 400,
        "too new: it is 400 s ahead, and receivers accept 300 s; the v1 signature fits",
    ),
    (
        "no id",
        BY_SECRET,
        Received("", str(NOW), v1(), BODY),
        NOW,
        "malformed: there is no webhook-id",
    ),
    (
        "no number",
        BY_SECRET,
        Received(ID, "2026-11-23T10:02:06Z", v1(), BODY),
        NOW,
        "malformed: webhook-timestamp must be seconds of Unix time",
    ),
    (
        "cut short",
        BY_SECRET,
        Received(ID, str(NOW), v1()[:-3], BODY),
        NOW,
        "malformed: a signature must be its version, a comma, and all of its base64",
    ),
    (
        "unknown version",
        BY_SECRET,
        Received(ID, str(NOW), v1().replace("v1", "v3"), BODY),
        NOW,
        "unknown version: the signatures are of version v3; v1 and v1a are known",
    ),
    (
        "the other kind of key",
        BY_SECRET,
        Received(ID, str(NOW), v1a(), BODY),
        NOW,
        "not verified: the signatures are of version v1a; give --public-key",
    ),
]


@pytest.mark.parametrize(
    ("keys", "received", "now", "why"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
async def test_a_verdict_says_why(keys: Keys, received: Received, now: int, why: str) -> None:
    verdict = judge(received, keys, now=now)
    assert (verdict.is_right, verdict.why) == (why.startswith("right"), why)


HEAD = f"""POST /nameplate HTTP/1.1
Host: hooks.provider.com
Content-Length: {len(BODY)}
Webhook-Id: {ID}
webhook-timestamp: {NOW}
webhook-signature: {v1()}

""".encode()


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + BODY,
        HEAD.replace(b"\n", b"\r\n") + BODY,
        HEAD + BODY + b"\n",
        HEAD.partition(b"\n")[2] + BODY,
        HEAD.replace(b"Content-Length", b"X-Length") + BODY,
    ],
    ids=["as it is", "CRLF", "a line break after it", "without its first line", "without a length"],
)
async def test_a_captured_request_is_read(raw: bytes) -> None:
    assert parse_request(raw) == Received(ID, str(NOW), v1(), BODY)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (HEAD + BODY[:-5], "bytes of its body"),
        (HEAD.replace(b"Host: hooks", b"Transfer-Encoding: chunked\nHost: x") + BODY, "chunked"),
        (b"", "has no webhook-id"),
        (BODY, "has no webhook-id"),
        (b"A: " + b"a" * 70_000 + b"\n\n", "cannot be read"),
    ],
)
async def test_what_is_no_whole_request_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(NotToBeJudged, match=said):
        parse_request(raw)


@pytest.mark.parametrize(
    ("secret", "public_key"),
    [
        (None, None),
        ("C2FVsBQIhrscChlQIMV", None),
        ("whsec_", None),
        ("whsec_not base64!", None),
        (PUBLIC_KEY, None),
        (None, SECRET),
        (None, "whpk_AAAA"),
    ],
)
async def test_a_key_of_the_wrong_form_is_refused_without_being_shown(
    secret: str | None, public_key: str | None
) -> None:
    with pytest.raises(NotToBeJudged) as refused:
        Keys.of(secret=secret, public_key=public_key)
    for key in (secret, public_key):
        hidden = (key or "").removeprefix("whsec_").removeprefix("whpk_")
        assert not hidden or hidden not in str(refused.value)


async def verify(
    *arguments: str, environment: dict[str, str] | None = None
) -> tuple[int, str, str]:
    done = await asyncio.to_thread(
        nameplate, "webhooks", "verify", *arguments, environment=environment
    )
    return done.returncode, done.stdout, done.stderr


async def test_verify_reads_headers_from_options_and_the_body_from_a_file(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(BODY)
    now = int(time.time())
    headers = ["--id", ID, "--timestamp", str(now), "--signature", v1(at=now)]
    right = await verify(str(body), *headers, environment={"SECRET": SECRET})
    assert right == (0, "right: the v1 signature fits\n", "")
    wrong = await verify(str(body), *headers, "--secret", OTHER)
    assert wrong == (1, "wrong secret or changed body: no signature fits\n", "")


async def test_verify_reads_a_captured_request(tmp_path: Path) -> None:
    request = tmp_path / "request.txt"
    request.write_bytes(HEAD + BODY)
    status, out, err = await verify("--request", str(request), "--secret", SECRET)
    assert (status, err) == (1, "")
    assert out.startswith("too ")
    assert out.endswith("the v1 signature fits\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--secret", SECRET], "give --id, --timestamp and --signature, or --request"),
        (["--secret", SECRET, "--request", "r", "--id", ID], "leave out the others"),
        (["--secret", SECRET, "--request", "not/there"], "not/there cannot be read: No such file"),
        (["--id", ID, "--timestamp", "1", "--signature", "v1,A"], "give --secret or --public-key"),
    ],
)
async def test_what_verify_cannot_judge_is_one_line_and_exit_2(
    arguments: list[str], said: str
) -> None:
    status, out, err = await verify(*arguments)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


class Listening:
    """A running `nameplate webhooks listen`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), SECONDS)).decode()

    async def stop(self) -> tuple[int | None, str]:
        self.process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> tuple[int | None, str]:
        _, err = await asyncio.wait_for(self.process.communicate(), SECONDS)
        return self.process.returncode, err.decode()


@asynccontextmanager
async def listening(*arguments: str, **environment: str) -> AsyncIterator[Listening]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app", "webhooks", "listen", *arguments),
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Listening(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_listen_forwards_events_as_webhooks_until_it_is_interrupted(
    shared_service: Service,
) -> None:
    stack = shared_service.stack
    arguments = ["--forward-to", f"{stack.receiver}/hooks", "--event-type", EventType.CREATED]
    async with listening(*arguments, API=stack.api, KEY=stack.api_key) as running:
        secret = (await running.line()).removeprefix("signing with ").strip()
        await shared_service.world.control("PUT", "/receiver", secrets=[secret])
        assert await running.line() == f"listening to {stack.api}\n"
        hostname = await shared_service.create("shop.listening-post.com")
        at, event_type, name, status, took, _ = (await running.line()).split()
        assert (event_type, name, status) == (EventType.CREATED, "shop.listening-post.com", "200")
        assert at.count(":") == 2
        assert int(took) >= 0
        assert await running.stop() == (0, "")
    (received,) = await shared_service.world.deliveries()
    assert received["verified"]
    (event, *_) = await shared_service.events(hostname["id"])
    assert received["headers"]["webhook-id"] == event["id"]
    assert received["body"]["data"]["event"] == event


async def test_what_listen_is_refused_is_one_line_and_exit_1(shared_service: Service) -> None:
    stack = shared_service.stack
    forward = ["--forward-to", "http://127.0.0.1:9/hook"]
    for arguments, key, said in [
        (forward, "np_wrong", f"{stack.api} answered 401: "),
        ([*forward, "--event-type", "custom_hostname.born"], stack.api_key, "answered 422: "),
        ([*forward, "--api", "http://127.0.0.1:9"], stack.api_key, "http://127.0.0.1:9 cannot be"),
        (["--forward-to", "https://hooks.provider.com/"], stack.api_key, "a URL of this machine"),
    ]:
        async with listening(*arguments, API=stack.api, KEY=key) as running:
            status, err = await running.ended()
        assert status == 1, err
        assert len(err.splitlines()) == 1
        assert said in err


async def test_listen_without_a_key_or_with_a_bad_secret_is_exit_2() -> None:
    forward = ["--forward-to", "http://127.0.0.1:9/hook"]
    for arguments, said in [
        (forward, "set KEY"),
        ([*forward, "--secret", "a", "--key", "b"], "wh"),
    ]:
        async with listening(*arguments) as running:
            status, err = await running.ended()
        assert (status, len(err.splitlines())) == (2, 1)
        assert said in err


@pytest.mark.parametrize("url", ["http://localhost:1/a", "https://127.0.0.1/", "http://[::1]:9/"])
async def test_a_receiver_on_this_machine_is_taken(url: str) -> None:
    check_receiver(url)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "https://example.com", "ftp://localhost/", "here", "http://[::1"]
)
async def test_another_receiver_is_refused(url: str) -> None:
    with pytest.raises(CannotListen, match="URL of this machine"):
        check_receiver(url)


class ScriptedServer:
    """An API that answers each stream with the next script, and a receiver of what is forwarded."""

    def __init__(self, scripts: Sequence[str]) -> None:
        self._scripts = list(scripts)
        self.asked: list[dict[str, str]] = []
        self.received: list[dict[str, Any]] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        if request.startswith("GET"):
            self.asked.append(headers)
            script = self._scripts.pop(0) if self._scripts else "HTTP/1.1 403 Forbidden\r\n\r\n"
            writer.write(script.encode())
        else:
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append(headers | {"body": body})
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def scripted(*scripts: str) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer(scripts)
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0) as running:
        server.url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
        yield server


STREAM = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 10\n\n"


def frame(number: int, event_type: str) -> str:
    return f"id: {number}\nevent: {event_type}\ndata: {json.dumps(sample_body(event_type))}\n\n"


async def test_listen_goes_on_after_the_last_event_when_the_stream_is_cut() -> None:
    cut_short = frame(9, EventType.FAILED)[:-40]
    scripts = [
        STREAM + frame(7, EventType.CREATED) + "id: 8\n: heartbeat\n\n" + cut_short,
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        STREAM + frame(9, EventType.FAILED) + frame(10, ZoneEventType.PAUSED),
    ]
    said: list[str] = []
    errors: list[str] = []
    async with scripted(*scripts) as server:
        # The script is over then: the API refuses, and so it ends.
        with pytest.raises(CannotListen, match="403: Forbidden"):
            await forward_events(
                Source(api=server.url, key="np_key"),
                forward_to=f"{server.url}/hook",
                secret=SECRET,
                say=said.append,
                say_error=errors.append,
            )
    assert [each.get("last-event-id") for each in server.asked] == [None, "8", "8", "10"]
    assert all(each["authorization"] == "Bearer np_key" for each in server.asked)
    types = [EventType.CREATED, EventType.FAILED, ZoneEventType.PAUSED]
    bodies = [Webhook(SECRET).verify(each["body"], each) for each in server.received]
    assert bodies == [sample_body(each) for each in types]
    assert said[0] == f"listening to {server.url}"
    assert [line.split()[1:4] for line in said[1:]] == [
        [EventType.CREATED, "shop.customer.com", "204"],
        [EventType.FAILED, "shop.customer.com", "204"],
        [ZoneEventType.PAUSED, "provider.com", "204"],
    ]
    assert [line.partition(";")[0] for line in errors if "answered" not in line] == [
        "the stream ended",
        "the stream ended",
        "the stream ended",
    ]


async def test_a_receiver_that_does_not_answer_stops_nothing() -> None:
    script = STREAM + frame(1, EventType.CREATED) + frame(2, EventType.ACTIVE)
    said: list[str] = []
    async with scripted(script) as server:
        with pytest.raises(CannotListen):
            await forward_events(
                Source(api=server.url, key="np_key"),
                forward_to="http://127.0.0.1:9/hook",
                secret=SECRET,
                say=said.append,
                say_error=said.append,
            )
    assert sum("ConnectError: " in line for line in said) == 2


async def test_frames_are_read_as_the_format_wants() -> None:
    async def lines() -> AsyncIterator[str]:
        for line in (": hello", "", "retry: 1500", "", "id: 3", "data:a", "data: b", "", "data: c"):
            yield line

    assert [each async for each in frames(lines())] == [
        Frame(retry_seconds=1.5),
        Frame(id="3", data="a\nb"),
    ]
