"""What one object at Cloudflare is wanted to be: all that a creation sets and an edit changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """The wanted object, compared with what was last sent and never with what Cloudflare shows.

    Names eligible for it may be renewed over HTTP though TXT was chosen, so a view that differs is
    no drift (Cloudflare for SaaS, "Refresh validation").
    """

    method: str
    wildcard: bool = False
    cloudflare_branding: bool = False
    """A certificate's common name has at most 64 characters; longer names need this (1469)."""
    certificate_authority: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    custom_metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[object, ...]:
        """The part whose change orders a new certificate, with tokens of its own."""
        return (self.method, self.wildcard, self.certificate_authority)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedEdit:
    """A PATCH that Cloudflare refused: not tried again until something else is wanted."""

    wanted: ObjectSpec
    code: int
    message: str
