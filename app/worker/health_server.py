"""The worker's own port: `/metrics` and `/healthz`, served by a thread.

It is a thread, because it has to detect that the event loop hangs.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from typing_extensions import override

from app.metrics import exposition
from app.web.serve import PortInUse, bind
from app.worker.heartbeats import HUNG_SECONDS, Heartbeats

DEFAULT_PORT = 9464
REQUEST_SECONDS = 10
POLL_SECONDS = 0.1
"""The longest that a stopping worker waits for its port."""


def bind_metrics(host: str, port: int | None) -> socket.socket:
    """Bind the port. None means the usual one, or any free one if another worker has that.

    Raises:
        PortInUse: a port given by number is not free.
    """
    if port is not None:
        return _listening(host, port)
    try:
        return _listening(host, DEFAULT_PORT)
    except PortInUse:
        return _listening(host, 0)


def _listening(host: str, port: int) -> socket.socket:
    what, option = "the worker's metrics", "--metrics-port"
    sock = bind(host, port, what, option=option)
    try:
        # Listen at once: until then, another process may bind the same port.
        sock.listen()
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port, what, option) from None
        raise
    return sock


@contextmanager
def served(sock: socket.socket, heartbeats: Heartbeats) -> Iterator[None]:
    """Serve the port until the block ends."""
    server = _Server(sock, heartbeats)
    thread = threading.Thread(
        target=server.serve_forever, args=(POLL_SECONDS,), name="metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, sock: socket.socket, heartbeats: Heartbeats) -> None:
        super().__init__(sock.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        sock.setblocking(True)  # noqa: FBT003 - the standard library's own signature
        self.socket = sock
        self.heartbeats = heartbeats

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that went away, without a traceback on standard error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "nameplate"
    sys_version = ""
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer one request."""
        match self.path.partition("?")[0]:
            case "/metrics":
                text, content_type = exposition(self.headers.get("accept", ""))
                self._answer(HTTPStatus.OK, text, content_type)
            case "/healthz":
                self._say_health()
            case _:
                self._say(HTTPStatus.NOT_FOUND, code="not_found", detail="See /metrics, /healthz.")

    do_HEAD = do_GET  # noqa: N815 - the name that the standard library calls

    def _say_health(self) -> None:
        hung = self.server.heartbeats.hung()
        if not hung:
            self._answer(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
            return
        detail = (
            f"No round began for {HUNG_SECONDS:.0f} s in: {', '.join(hung)}. Restart this worker."
        )
        self._say(HTTPStatus.SERVICE_UNAVAILABLE, code="worker_hung", detail=detail, loops=hung)

    def _say(self, status: HTTPStatus, **members: object) -> None:
        problem = {"type": "about:blank", "title": status.phrase, "status": status, **members}
        self._answer(status, json.dumps(problem).encode(), "application/problem+json")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Write no line, because a scrape every few seconds would fill the log."""
