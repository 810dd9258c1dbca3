"""A span for each statement of an engine. OpenTelemetry's own package lacks SQLAlchemy 2.1."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from app.tracing.spans import open_span

_END = "_nameplate_end_span"


def trace_statements(engine: Engine) -> None:
    """Open a span for each statement, with its text but without its parameters."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(
        _connection: Any, _cursor: Any, statement: str, _said: Any, context: Any, _many: Any
    ) -> None:
        name = statement.split(maxsplit=1)[0] if statement else "statement"
        end = open_span(name, db__system__name="postgresql", db__query__text=statement)
        setattr(context, _END, end)

    @event.listens_for(engine, "after_cursor_execute")
    def end(
        _connection: Any, _cursor: Any, _statement: str, _said: Any, context: Any, _many: Any
    ) -> None:
        _end(context, None)

    @event.listens_for(engine, "handle_error")
    def fail(failure: Any) -> None:
        _end(failure.execution_context, failure.original_exception)


def _end(context: Any, error: BaseException | None) -> None:
    end = getattr(context, _END, None)
    if end is not None:
        setattr(context, _END, None)
        end(error)
