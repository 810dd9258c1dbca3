"""What is kept of a receiver's answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.adapters.webhook_response import KEPT_BYTES, printable, retry_after

from .webhook_receivers import receiver, sent, status

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b" 120 ", 120.0),
        (b"86400", 86400.0),
        (b"86401", 86400.0),
        (b"9" * 5000, 86400.0),
        (b"Thu, 26 Nov 2026 12:02:00 GMT", 120.0),
        (b"Thursday, 26-Nov-26 12:02:00 GMT", 120.0),
        (b"Thu Nov 26 12:02:00 2026", 120.0),
        (b"Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", 86400.0),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        (b"1e3", None),
        (b"soon", None),
        (b"120, 240", None),
        (b"Thu, 99 Nov 2026 12:02:00 GMT", None),
        (b"\xd9\xa1\xd9\xa2", None),
        (b"\xff\xff", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(
    value: bytes, seconds: float | None
) -> None:
    assert retry_after([(b"X-Other", b"1"), (b"Retry-After", value)], NOW) == seconds


def test_without_the_header_nothing_was_asked_for() -> None:
    assert retry_after([(b"retry", b"1")], NOW) is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"ok", "ok"),
        (b"", ""),
        (b"two\r\nlines\tand a tab", "two  lines and a tab"),
        (b"a\x00b\x1b[31mc\x7fd", "ab[31mcd"),
        ("caf\u00e9 \u65e5\u672c".encode(), "caf\u00e9 \u65e5\u672c"),
        ("left\u202eright\u2028next\x85end".encode(), "leftright next end"),
        (b"\xff\xfeok", "\ufffd\ufffdok"),
        ("caf\u00e9".encode()[:-1], "caf"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    ],
)
def test_an_answer_is_text_without_control_characters(body: bytes, text: str) -> None:
    assert printable(body) == text


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"", None),
        (b"\x00", None),
        (b"Oh no.", "Oh no."),
        (b"x" * (KEPT_BYTES + 1), "x" * KEPT_BYTES),
        (b"x" * (KEPT_BYTES - 1) + "\u00e9".encode(), "x" * (KEPT_BYTES - 1)),
        (b"x" * 1_000_000, "x" * KEPT_BYTES),
    ],
)
@pytest.mark.parametrize("code", [200, 500])
async def test_the_beginning_of_an_answer_is_kept(
    code: int, body: bytes, answer: str | None
) -> None:
    async with receiver(status(code, body=body)) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.answer) == (code, answer)


async def test_an_answer_is_not_unpacked() -> None:
    async with receiver(status(200, "Content-Encoding: gzip", body=b"\x1f\x8bno gzip")) as got:
        attempt = await sent(got.url)
    ((_, headers, _),) = got.requests
    assert headers["accept-encoding"] == "identity"
    assert attempt.answer == "\x1f\ufffdno gzip".replace("\x1f", " ")
