"""The part that needs OpenTelemetry. Only `app.tracing.spans` imports it, if traces are on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.propagators.textmap import CarrierT, Setter, default_setter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from typing_extensions import override

from app import __version__

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp

    from app.tracing.spans import EndSpan

NAME = "OTEL_SERVICE_NAME"
SHARE = "OTEL_TRACES_SAMPLER_ARG"
BEGINS = "nameplate.begins"
"""The attribute of our spans that may begin a trace."""


class _InboundOnly(TraceContextTextMapPropagator):
    """Continues the caller's trace, and sends our trace ids to nobody."""

    @override
    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        pass


class _Roots(Sampler):
    """Begins traces with requests and units of work, not with the statements of polling."""

    def __init__(self) -> None:
        self._some = TraceIdRatioBased(float(os.environ.get(SHARE) or 1))

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.SERVER or (attributes or {}).get(BEGINS):
            return self._some.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
        return SamplingResult(Decision.DROP)

    @override
    def get_description(self) -> str:
        return "requests and pieces of work"


def new_provider(service: str, exporter: SpanExporter | None) -> TracerProvider:
    """Return the provider of spans. Without an `exporter`, the environment says where they go."""
    resource = Resource.create(
        {
            SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or service,
            "service.version": __version__,
        }
    )
    provider = TracerProvider(sampler=ParentBased(_Roots()), resource=resource)
    provider.add_span_processor(
        SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(OTLPSpanExporter())
    )
    propagate.set_global_textmap(_InboundOnly())
    return provider


def trace_app(app: ASGIApp, provider: TracerProvider) -> ASGIApp:
    """Return the application with a span around each request, health and metrics excepted."""
    return OpenTelemetryMiddleware(
        app,
        tracer_provider=provider,
        excluded_urls="healthz,readyz,metrics",
        exclude_spans=["receive", "send"],
    )


def trace_client(client: httpx.AsyncClient, provider: TracerProvider) -> None:
    """Open a span for each of the client's calls."""
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)


def open_call(provider: TracerProvider, name: str, attributes: Mapping[str, Any]) -> EndSpan:
    """Begin a client's span, and return what ends it."""
    span = provider.get_tracer("nameplate").start_span(
        name, kind=SpanKind.CLIENT, attributes=_renamed(attributes)
    )

    def end(error: BaseException | None, /, **further: Any) -> None:
        span.set_attributes(_renamed(further))
        if error is not None:
            span.set_status(StatusCode.ERROR, type(error).__name__)
        span.end()

    return end


def _renamed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in attributes.items()}


def name_request(method: str, route: str) -> None:
    """Name the request's span after its route's template, unknown when the span began."""
    current = get_current_span()
    current.update_name(f"{method} {route}")
    current.set_attribute("http.route", route)
