"""One POST of one delivery, as it went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """A status, or one line that says why there is none."""

    duration_ms: int
    status_code: int | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """2xx alone is success; a redirect is not followed and is none (Standard Webhooks)."""
        return self.status_code is not None and self.status_code // 100 == 2  # noqa: PLR2004
