"""One call of Cloudflare's API as its handlers see it: path, query and body, no HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import errors
from sandbox.envelope import Page


@dataclass(frozen=True, slots=True)
class Call:
    """A routed call."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body, which must be a JSON object."""
        try:
            content = json.loads(self.body)
        except ValueError:
            raise errors.bad_json() from None
        if not isinstance(content, dict):
            raise errors.bad_json()
        return content

    def page(self, *, default: int, smallest: int, largest: int) -> Page:
        """Return the page asked for."""
        number = self._integer("page", 1)
        size = self._integer("per_page", default)
        if number < 1:
            raise errors.bad_parameter("page")
        if not smallest <= size <= largest:
            raise errors.bad_parameter("per_page")
        return Page(number, size)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return a query parameter that is one of a few words, in lower case."""
        value = self.query.get(name)
        if value is not None and value.lower() not in allowed:
            raise errors.bad_parameter(name)
        return value and value.lower()

    def _integer(self, name: str, default: int) -> int:
        try:
            return int(float(self.query.get(name, default)))
        except (ValueError, OverflowError):
            raise errors.bad_parameter(name) from None
