"""The bodies of creations, refreshes and edits, from shapes and views."""

from __future__ import annotations

from typing import Any

from app.domain.errors import CloudflareUnavailable
from app.domain.observation import CloudflareHostname
from app.domain.shape import Shape

_ORIGINS = ("custom_origin_server", "custom_origin_sni")


def creation(hostname: str, shape: Shape) -> dict[str, Any]:
    """Say all that is wanted, and nothing that is left at Cloudflare's default."""
    ssl: dict[str, Any] = {"method": shape.method, "type": "dv", "wildcard": shape.wildcard}
    if shape.cloudflare_branding:
        ssl["cloudflare_branding"] = True
    if shape.certificate_authority:
        ssl["certificate_authority"] = shape.certificate_authority
    if shape.settings:
        ssl["settings"] = dict(shape.settings)
    return {"hostname": hostname, "ssl": ssl, **_beside(shape)}


def refresh(view: CloudflareHostname) -> dict[str, Any]:
    """Repeat method, type and all settings as last seen, or they would be changed.

    Source: Cloudflare for SaaS, "Refresh validation".
    """
    if view.ssl_method is None:
        raise CloudflareUnavailable("The hostname shows no certificate that could be repeated.")
    ssl: dict[str, Any] = {"method": view.ssl_method, "type": view.ssl_type or "dv"}
    if view.cloudflare_branding:
        ssl["cloudflare_branding"] = True
    if view.ssl_settings:
        ssl["settings"] = dict(view.ssl_settings)
    if view.certificate_authority:
        ssl["certificate_authority"] = view.certificate_authority
    if view.wildcard:
        ssl["wildcard"] = True
    return {"ssl": ssl, **_beside(view)}


def edit(view: CloudflareHostname, wanted: Shape, applied: Shape | None) -> dict[str, Any]:
    """Say what is wanted; what was never ours to say is repeated as seen, or it would be reset.

    What was sent before and is wanted no longer goes back to Cloudflare's default.
    """
    before = applied or Shape(method=wanted.method)
    seen = {k: v for k, v in view.ssl_settings.items() if k not in before.settings}
    settings = {**seen, **wanted.settings}
    ssl: dict[str, Any] = {"method": wanted.method, "type": "dv", "wildcard": wanted.wildcard}
    if wanted.cloudflare_branding or view.cloudflare_branding:
        ssl["cloudflare_branding"] = True
    if settings:
        ssl["settings"] = settings
    authority = wanted.certificate_authority
    if authority is None and before.certificate_authority is None:
        authority = view.certificate_authority
    # An empty text is Cloudflare's word for its default.
    if authority is not None or before.certificate_authority is not None:
        ssl["certificate_authority"] = authority or ""
    reset = {name: None for name in (*_ORIGINS, "custom_metadata") if getattr(before, name)}
    return {"ssl": ssl, **reset, **_beside(wanted)}


def _beside(said: Shape | CloudflareHostname) -> dict[str, Any]:
    """Give what stands beside `ssl`."""
    beside: dict[str, Any] = {
        name: getattr(said, name) for name in _ORIGINS if getattr(said, name) is not None
    }
    if said.custom_metadata:
        beside["custom_metadata"] = dict(said.custom_metadata)
    return beside
