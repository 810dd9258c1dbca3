"""Keyset cursors: opaque to callers; to us, a list and the keyset of its last item."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.errors import ErrorCode, InvalidInput
from app.persistence.ids import ID

LONGEST_SEQUENCE = 9
"""Digits; a sequence is an integer of 32 bits."""
LONGEST_NUMBER = 18
"""Digits; a number of the feed is an integer of 64 bits."""
_DIGEST_BYTES = 8
_SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one list. A list is a resource with its filter and its order.

    A cursor names its list by a digest, so that one of another list is refused.
    """

    digest: str

    @classmethod
    def of(cls, resource: str, conditions: Mapping[str, Any] | None = None) -> Cursors:
        """Return the cursors of a list. `conditions` are JSON: what was asked for, without a page.

        The order of several values of a condition does not count.
        """
        known = {
            name: sorted(value) if isinstance(value, list) else value
            for name, value in (conditions or {}).items()
        }
        text = json.dumps([resource, known], sort_keys=True)
        return cls(hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest())

    def encode(self, *keyset: str) -> str:
        """Make the cursor that continues after `keyset`."""
        text = _SEPARATOR.join((self.digest, *keyset))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def decode(self, cursor: str) -> tuple[str, ...]:
        """Decode a cursor to the keyset that it was made of.

        Raises:
            InvalidInput: the text is not a cursor of this list.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, UnicodeError, ValueError):
            raise not_ours() from None
        digest, *keyset = text.split(_SEPARATOR)
        if digest != self.digest:
            raise not_ours()
        return tuple(keyset)

    def decode_id(self, cursor: str | None) -> str | None:
        """Decode the cursor of a list whose keyset is the id alone.

        Raises:
            InvalidInput: the text is not a cursor of this list.
        """
        if cursor is None:
            return None
        keyset = self.decode(cursor)
        # Anyone can make a cursor, and Postgres takes no NUL.
        if len(keyset) != 1 or not ID.fullmatch(keyset[0]):
            raise not_ours()
        return keyset[0]

    def page(self, rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
        """Build a page from up to `limit + 1` documents: one more than `limit` means a next page.

        For a list whose keyset is the id alone.
        """
        data = list(rows[:limit])
        more = len(rows) > limit
        return {"data": data, "next_cursor": self.encode(data[-1]["id"]) if more else None}


def decode_sequence(cursor: str | None) -> int:
    """Decode the cursor of a numbered list, which is the last number; 0 for its beginning.

    Raises:
        InvalidInput: the text is not one of our cursors.
    """
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST_SEQUENCE:
        raise not_ours()
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


def not_ours() -> InvalidInput:
    """Return the refusal of a text that is not a cursor of the list."""
    return InvalidInput(
        "Pass `next_cursor` of the previous page, unchanged, with the same filter and sort.",
        code=ErrorCode.CURSOR_INVALID,
        parameter="cursor",
    )
