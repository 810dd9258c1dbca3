"""Structured logs: a static event name, ids as keywords, nothing secret."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logging(log_format: str = "json", level: int | str = logging.INFO) -> None:
    """Send logs to standard error; `log_format` is json or console, `level` a name or a number."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # No local variables: there may be secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if log_format == "console" else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
