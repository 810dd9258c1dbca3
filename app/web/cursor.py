"""Keyset cursors: opaque to callers, the last id to us."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from app.domain.errors import ErrorCode, InvalidInput

LONGEST_SEQUENCE = 9
"""Digits; a sequence is an integer of 32 bits."""
LONGEST_NUMBER = 18
"""Digits; a number of the feed is an integer of 64 bits."""
_ID = re.compile(r"[a-z0-9_]{1,64}")


def encode_cursor(last_id: str) -> str:
    """Make the cursor that continues after `last_id`."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str | None:
    """Decode a cursor.

    Raises:
        InvalidInput: the text is not one of our cursors.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        last_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        last_id = ""
    if not _ID.fullmatch(last_id):
        raise _not_ours()
    return last_id


def decode_sequence(cursor: str | None) -> int:
    """Decode the cursor of a numbered list, which is the last number; 0 for its beginning.

    Raises:
        InvalidInput: the text is not one of our cursors.
    """
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST_SEQUENCE:
        raise _not_ours()
    return int(cursor)


def decode_number(text: str | None, parameter: str) -> int | None:
    """Decode a number of the feed.

    Raises:
        InvalidInput: the text is not a number.
    """
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER:
        raise InvalidInput(
            "Pass the `number` of an event, or `next_cursor` of the previous page.",
            code=ErrorCode.CURSOR_INVALID,
            parameter=parameter,
        )
    return int(text)


def _not_ours() -> InvalidInput:
    return InvalidInput(
        "Pass `next_cursor` of the previous page, unchanged.",
        code=ErrorCode.CURSOR_INVALID,
        parameter="cursor",
    )


def page(rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Build a page from up to `limit + 1` documents. One more than `limit` means a next page."""
    data = list(rows[:limit])
    more = len(rows) > limit
    return {"data": data, "next_cursor": encode_cursor(data[-1]["id"]) if more else None}
