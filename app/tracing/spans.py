"""Traces by OpenTelemetry, an extra: nothing of it is imported where nobody asked for traces.

Asked for by OpenTelemetry's own variables, which its exporter reads: OTEL_EXPORTER_OTLP_ENDPOINT
or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. A trace begins with a request, or with a piece of a worker's
work. What loops ask the database in order to find work begins none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx
    from opentelemetry.sdk.trace.export import SpanExporter
    from starlette.types import ASGIApp

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but tracing is not installed: run "
    "pip install 'nameplate[otel]', or unset it."
)

_NOTHING: AbstractContextManager[Any] = nullcontext()


class TracingMissing(Exception):
    """Traces are asked for and the extra `otel` is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


class _Tracing:
    """Whether this process traces, and by what."""

    begin: Callable[[str, Mapping[str, Any]], AbstractContextManager[Any]] | None = None
    provider: Any = None


def set_up_tracing(service: str, exporter: SpanExporter | None = None) -> None:
    """Trace from now on, if the environment or an `exporter` says where to.

    Raises:
        TracingMissing: the extra is not installed.
    """
    if exporter is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from app.tracing.provider import new_provider
    except ImportError:
        raise TracingMissing from None
    _Tracing.provider = provider = new_provider(service, exporter)
    tracer = provider.get_tracer("nameplate")
    _Tracing.begin = lambda name, said: tracer.start_as_current_span(name, attributes=dict(said))


def stop_tracing() -> None:
    """Send what is left, and trace no more."""
    provider, _Tracing.provider, _Tracing.begin = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


def is_tracing() -> bool:
    """Whether this process traces."""
    return _Tracing.provider is not None


def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """Open a span for the block; costs a comparison where nothing is traced.

    One with `begins=True` begins a trace where it is within none.
    """
    if _Tracing.begin is None:
        return _NOTHING
    return _Tracing.begin(name, {f"nameplate.{key}": value for key, value in attributes.items()})


def traced_app(app: ASGIApp) -> ASGIApp:
    """Give the application with a span around each request."""
    if _Tracing.provider is None:
        return app
    from app.tracing.provider import trace_app

    return trace_app(app, _Tracing.provider)


def name_request(method: str, route: str) -> None:
    """Name the request's span by its route's template."""
    if _Tracing.provider is not None:
        from app.tracing import provider

        provider.name_request(method, route)


def trace_http(client: httpx.AsyncClient) -> None:
    """Make a span of each of the client's calls."""
    if _Tracing.provider is not None:
        from app.tracing.provider import trace_client

        trace_client(client, _Tracing.provider)


def open_span(name: str, **attributes: Any) -> Callable[[BaseException | None], None] | None:
    """Begin a span of a call to another service; what comes back ends it. None: nothing is traced.

    For where no block can be put around the call.
    """
    if _Tracing.provider is None:
        return None
    from app.tracing.provider import open_call

    return open_call(_Tracing.provider, name, attributes)
