"""The URLs of this API in its own answers: Location, and the links from page to page.

They begin with the public URL where one is set, and are path-absolute otherwise. The Host header
has no say: whoever sends a request could have the answer point elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class PageLinks:
    """The links of a list's page: its first page and its next one (RFC 8288)."""

    public_url: str
    """Without a slash at its end; empty if none is set."""
    path: str
    query: Sequence[tuple[str, str]]
    """The parameters of the request."""

    def header(self, next_cursor: str | None) -> dict[str, str]:
        """Return the header Link. The last page has no `next`."""
        links = [f'<{self._url()}>; rel="first"']
        if next_cursor is not None:
            links.append(f'<{self._url(next_cursor)}>; rel="next"')
        return {"Link": ", ".join(links)}

    def _url(self, cursor: str | None = None) -> str:
        query = [(name, value) for name, value in self.query if name != CURSOR]
        if cursor is not None:
            query.append((CURSOR, cursor))
        # With %20: a plus sign means a space in forms alone.
        encoded = urlencode(query, quote_via=quote)
        return f"{self.public_url}{self.path}" + (f"?{encoded}" if encoded else "")
