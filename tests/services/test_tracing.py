"""Traces: one POST is one trace, down to Cloudflare, DNS and Postgres; off unless asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import propagate
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.tracing.spans import set_up_tracing, span, stop_tracing
from tests.support import Service

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    set_up_tracing("nameplate-test", kept)
    yield kept
    stop_tracing()


def said(each: ReadableSpan, name: str) -> str:
    return str((each.attributes or {}).get(name, ""))


def of(spans: tuple[ReadableSpan, ...], trace_id: int) -> list[ReadableSpan]:
    return [each for each in spans if each.context.trace_id == trace_id]


def roots(spans: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
    return [each for each in spans if each.parent is None]


CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_one_post_is_one_trace_from_the_api_to_cloudflare_and_postgres(
    exporter: InMemorySpanExporter, service: Service
) -> None:
    response = await service.http.post(
        "/v1/custom-hostnames",
        json={"hostname": "shop.red-lantern.com", "tenant": "t"},
        headers={"traceparent": f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"},
    )
    await service.until_state(response.json()["id"], "validating")
    spans = of(exporter.get_finished_spans(), int(CALLERS_TRACE, 16))
    (api,) = [each for each in spans if each.kind is SpanKind.SERVER]
    assert api.name == "POST /v1/custom-hostnames"
    (tick,) = [each for each in spans if each.name == "reconcile"]
    assert tick.parent is not None
    assert tick.parent.span_id == api.context.span_id
    clients = [each for each in spans if each.kind is SpanKind.CLIENT]
    calls = [each for each in clients if "custom_hostnames" in str(dict(each.attributes or {}))]
    assert [each for each in calls if each.name == "POST"]
    statements = [each for each in clients if said(each, "db.query.text")]
    inserted = [
        each for each in statements if "INSERT INTO custom_hostnames" in str(each.attributes)
    ]
    assert len(inserted) == 1
    assert [each for each in spans if "nameplate" not in str(each.resource.attributes)] == []


async def test_a_read_of_the_fast_path_is_traced_to_postgres_and_named_by_its_template(
    exporter: InMemorySpanExporter, service: Service
) -> None:
    hostname = await service.create("shop.green-lantern.com")
    exporter.clear()
    await service.get(hostname["id"])
    spans = exporter.get_finished_spans()
    (api,) = [each for each in spans if each.name == "GET /v1/custom-hostnames/{id}"]
    within = of(spans, api.context.trace_id)
    assert [each for each in within if "h.document" in str(dict(each.attributes or {}))]


async def test_a_look_at_dns_is_a_span_of_the_workers_trace(
    exporter: InMemorySpanExporter, service: Service
) -> None:
    await service.go_live("shop.blue-lantern.com")
    spans = exporter.get_finished_spans()
    looks = [each for each in spans if each.name == "check DNS"]
    assert looks
    assert [each for each in looks if each.parent is None] == []


async def test_polling_begins_no_trace_and_no_secret_is_in_any(
    exporter: InMemorySpanExporter, service: Service
) -> None:
    await service.go_live("shop.grey-lantern.com")
    spans = exporter.get_finished_spans()
    names = {each.name for each in roots(spans) if each.kind is not SpanKind.SERVER}
    assert names <= {"reconcile", "resync", "zone", "deliver", "measure", "prune", "sequence"}
    text = "".join(each.to_json() for each in spans)
    assert service.stack.cloudflare_token not in text
    assert service.stack.api_key not in text


def test_no_trace_id_leaves_for_others(exporter: InMemorySpanExporter) -> None:
    carrier: dict[str, str] = {}
    with span("reconcile", begins=True):
        propagate.inject(carrier)
    assert carrier == {}
    assert [each.name for each in exporter.get_finished_spans()] == ["reconcile"]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_opentelemetry_is_imported_unless_traces_are_asked_for() -> None:
    code = (
        "import sys, app.main, app.worker.run, app.cli; from app.tracing.spans import *; "
        "set_up_tracing('x'); assert not is_tracing(); "
        "extra = ('sdk', 'instrumentation', 'exporter'); "
        "print([name for name in sys.modules if name.startswith("
        "tuple('opentelemetry.' + each for each in extra))])"
    )
    ended = python(code)
    assert ended.stdout == "[]\n", ended.stderr


def test_asking_for_traces_without_the_extra_is_one_line_and_status_2() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; "
        "sys.argv = ['nameplate', 'worker']; from app.cli import run; run()"
    )
    settings = {
        "NAMEPLATE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "NAMEPLATE_CLOUDFLARE_ZONE_ID": "0" * 32,
        "NAMEPLATE_CLOUDFLARE_API_TOKEN": "token",
        "NAMEPLATE_CNAME_TARGET": "customers.provider.net",
        "NAMEPLATE_FALLBACK_ORIGIN": "fallback.provider.net",
        "NAMEPLATE_SECRET_KEYS": "mDUDUXPdQmZVJ7yrSYCbkVPGr8NvpxfnGGLRHgvZqLE=",
        "NAMEPLATE_DATABASE_TRIES": "1",
    }
    ended = python(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **settings)
    assert ended.returncode == 2
    assert "pip install 'nameplate[otel]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
