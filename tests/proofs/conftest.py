"""How a proof says what it measured."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable

import pytest

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print lines at once, past pytest's capture: the figures of a proof that passes count too."""

    def say(lines: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{textwrap.indent(lines, '  ')}\n")

    return say
