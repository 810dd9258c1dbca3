from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .driver import Driver, driven


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Driver]:
    """A set-up sandbox at speed 1: advancing by a second is a second of both clocks."""
    async with driven(tmp_path) as driver:
        yield driver
