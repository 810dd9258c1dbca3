"""Traces by OpenTelemetry, an extra. Nothing of it is imported unless traces are asked for.

OpenTelemetry's own variables, which its exporter reads, turn traces on: OTEL_EXPORTER_OTLP_ENDPOINT
or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. A trace begins with a request, or with a unit of a worker's
work. The queries by which loops find work begin no trace.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx
    from opentelemetry.sdk.trace.export import SpanExporter
    from starlette.types import ASGIApp

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but tracing is not installed: run "
    "pip install 'nameplate[otel]', or unset it."
)


class EndSpan(Protocol):
    """Ends a span."""

    def __call__(self, error: BaseException | None, /, **attributes: Any) -> None:
        """End it with the error, if there was one, and with further attributes."""


_NOTHING: AbstractContextManager[Any] = nullcontext()


class TracingMissing(Exception):
    """Traces are asked for, but the extra `otel` is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


class _Tracing:
    """Whether and how this process traces."""

    begin: Callable[[str, Mapping[str, Any]], AbstractContextManager[Any]] | None = None
    provider: Any = None


def set_up_tracing(service: str, exporter: SpanExporter | None = None) -> None:
    """Start to trace, if the environment or an `exporter` says where to send.

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
    _Tracing.begin = lambda name, attributes: tracer.start_as_current_span(
        name, attributes=dict(attributes)
    )


def stop_tracing() -> None:
    """Send the remaining spans and stop tracing."""
    provider, _Tracing.provider, _Tracing.begin = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


def is_tracing() -> bool:
    """Whether this process traces."""
    return _Tracing.provider is not None


def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """Open a span for the block. Without tracing this only costs a comparison.

    With `begins=True`, the span begins a trace if it is not within one.
    """
    if _Tracing.begin is None:
        return _NOTHING
    return _Tracing.begin(name, {f"nameplate.{key}": value for key, value in attributes.items()})


def traced_app(app: ASGIApp) -> ASGIApp:
    """Return the application with a span around each request."""
    if _Tracing.provider is None:
        return app
    from app.tracing.provider import trace_app

    return trace_app(app, _Tracing.provider)


def name_request(method: str, route: str) -> None:
    """Name the request's span after its route's template."""
    if _Tracing.provider is not None:
        from app.tracing import provider

        provider.name_request(method, route)


def trace_http(client: httpx.AsyncClient) -> None:
    """Open a span for each of the client's calls."""
    if _Tracing.provider is not None:
        from app.tracing.provider import trace_client

        trace_client(client, _Tracing.provider)


def open_span(name: str, **attributes: Any) -> EndSpan | None:
    """Begin a span of a call to another service, and return what ends it. None without tracing.

    For calls that cannot be put in a block. `__` in an attribute's name stands for a dot.
    """
    if _Tracing.provider is None:
        return None
    from app.tracing.provider import open_call

    return open_call(_Tracing.provider, name, attributes)
