"""The spec of one object at Cloudflare: everything a creation sets and an edit changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """The wanted object. It is compared with what was last sent, never with what Cloudflare shows.

    Cloudflare may renew an eligible name over HTTP although TXT was chosen, so a view that differs
    is not drift (Cloudflare for SaaS, "Refresh validation").
    """

    method: str
    wildcard: bool = False
    cloudflare_branding: bool = False
    """A certificate's common name has at most 64 characters. Longer names need this (1469)."""
    certificate_authority: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    custom_metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[object, ...]:
        """The part of the spec whose change orders a new certificate, with new tokens."""
        return (self.method, self.wildcard, self.certificate_authority)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedEdit:
    """A PATCH that Cloudflare refused. It is not tried again until something else is wanted."""

    wanted: ObjectSpec
    code: int
    message: str
