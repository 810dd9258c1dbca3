"""A cursor is taken back by its own list alone."""

from __future__ import annotations

import base64

import pytest

from app.domain.errors import ErrorCode, InvalidInput
from app.web.cursor import Cursors

OURS = Cursors.of("hostnames", {"tenant": "green", "state": ["failed", "active"]})


@pytest.mark.parametrize("keyset", [("ch_1",), ("ch_1", "1795000000000000")])
def test_a_cursor_is_decoded_to_its_position(keyset: tuple[str, ...]) -> None:
    cursor = OURS.encode(*keyset)
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert OURS.decode(cursor) == keyset


def test_the_order_of_values_does_not_count() -> None:
    other = Cursors.of("hostnames", {"state": ["active", "failed"], "tenant": "green"})
    assert other.decode(OURS.encode("ch_1")) == ("ch_1",)


@pytest.mark.parametrize(
    "other",
    [
        Cursors.of("hostnames"),
        Cursors.of("endpoints", {"tenant": "green", "state": ["failed", "active"]}),
        Cursors.of("hostnames", {"tenant": "blue", "state": ["failed", "active"]}),
        Cursors.of("hostnames", {"tenant": "green", "state": ["failed"]}),
        Cursors.of("hostnames", {"tenant": "green", "state": ["failed", "active"], "sort": "x"}),
    ],
)
def test_a_cursor_of_another_list_is_refused(other: Cursors) -> None:
    with pytest.raises(InvalidInput) as refused:
        OURS.decode(other.encode("ch_1"))
    assert refused.value.code is ErrorCode.CURSOR_INVALID
    assert refused.value.parameter == "cursor"


def test_a_cursor_of_ids_is_decoded_to_the_id() -> None:
    assert OURS.decode_id(OURS.encode("ch_1")) == "ch_1"
    assert OURS.decode_id(None) is None


@pytest.mark.parametrize(
    "keyset",
    [(), ("",), ("a\x00b",), ("CH_1",), ("a b",), ("a" * 65,), ("ch_1\n",), ("ch_1", "ch_2")],
)
def test_a_forged_cursor_that_holds_no_id_is_refused(keyset: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        OURS.decode_id(OURS.encode(*keyset))
    assert refused.value.code is ErrorCode.CURSOR_INVALID


@pytest.mark.parametrize(
    "text", ["", "x", "é", "====", "a b", "\x00", base64.urlsafe_b64encode(b"\xff\xfe").decode()]
)
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        OURS.decode(text)
