"""What is kept of a receiver's answer, which anybody may have written."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore

from app.adapters.guarded_connections import FAILURES

KEPT_BYTES = 1024
READ_BYTES = 16 * 1024
"""A longer answer is not read to its end, and its connection is closed."""
MOST_RETRY_AFTER = 86_400.0


async def read_answer(response: httpcore.Response, *, until: float) -> str | None:
    """Read the beginning of an answer's body, up to the loop's time `until`, and be done with it.

    Whatever goes wrong ends the reading, and what arrived is returned. None: nothing did.
    """
    body = b""
    with suppress(*FAILURES):
        try:
            async with asyncio.timeout_at(until):
                async for part in response.aiter_stream():
                    body += part
                    if len(body) > READ_BYTES:
                        break
        finally:
            # Closes the connection, unless the answer was read to its end.
            await response.aclose()
    return printable(body[:KEPT_BYTES]) or None


def printable(body: bytes) -> str:
    """Decode bytes to text without control characters, white space as spaces.

    What is not UTF-8 is replaced; a character that is cut off at the end is left out.
    """
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(body)
    if text.isprintable():
        return text
    return "".join(
        " " if each.isspace() else each for each in text if each.isspace() or each.isprintable()
    )


def retry_after(headers: Iterable[tuple[bytes, bytes]], now: datetime) -> float | None:
    """Read `Retry-After`: the seconds to wait from `now`, a day at most (RFC 9110, 10.2.3).

    None where it is missing or malformed. A date that is over means 0.
    """
    value = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    text = value.decode("ascii", "replace").strip()
    try:
        seconds = float(text) if text.isdecimal() else _seconds_until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER)


def _seconds_until(date: str, now: datetime) -> float:
    at = parsedate_to_datetime(date)
    return (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
