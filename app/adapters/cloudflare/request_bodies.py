"""The request bodies of creations, refreshes and edits.

They only contain what was chosen here. Most zones may not name a certificate authority, a custom
origin or custom metadata, and Cloudflare refuses the whole call if it repeats what Cloudflare shows
of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.object_spec import ObjectSpec
from app.domain.observation import CloudflareHostname

_BESIDE_SSL = ("custom_origin_server", "custom_origin_sni", "custom_metadata")


def creation(hostname: str, wanted: ObjectSpec) -> dict[str, Any]:
    """Build the body of a creation. What was not chosen keeps Cloudflare's defaults."""
    ssl = _ssl(wanted, method=wanted.method, settings=wanted.settings)
    return {"hostname": hostname, "ssl": ssl, **_beside(wanted)}


def refresh(view: CloudflareHostname, chosen: ObjectSpec) -> dict[str, Any]:
    """Repeat method, type and all settings as last seen; otherwise they would be changed.

    The fields beside `ssl` are left out, because a PATCH leaves them as they are. Source:
    Cloudflare for SaaS, "Refresh validation".
    """
    method = view.ssl_method or chosen.method
    type_ = view.ssl_type or "dv"
    return {"ssl": _ssl(chosen, method=method, type_=type_, settings=view.ssl_settings)}


def edit(
    view: CloudflareHostname, wanted: ObjectSpec, applied: ObjectSpec | None
) -> dict[str, Any]:
    """Build the body of an edit. `applied` is the spec sent before it.

    TLS settings that were never chosen here are repeated as seen; otherwise they would be reset.
    Settings that were chosen before and are no longer wanted go back to Cloudflare's defaults.
    """
    before = applied or ObjectSpec(method=wanted.method)
    seen = {k: v for k, v in view.ssl_settings.items() if k not in before.settings}
    ssl = _ssl(wanted, method=wanted.method, settings={**seen, **wanted.settings})
    if before.wildcard and not wanted.wildcard:
        ssl["wildcard"] = False
    if before.certificate_authority and not wanted.certificate_authority:
        # Cloudflare takes an empty text as its default.
        ssl["certificate_authority"] = ""
    reset = {name: None for name in _BESIDE_SSL if getattr(before, name)}
    return {"ssl": ssl, **reset, **_beside(wanted)}


def _ssl(
    chosen: ObjectSpec, *, method: str, settings: Mapping[str, Any], type_: str = "dv"
) -> dict[str, Any]:
    ssl: dict[str, Any] = {"method": method, "type": type_}
    if chosen.wildcard:
        ssl["wildcard"] = True
    if chosen.cloudflare_branding:
        ssl["cloudflare_branding"] = True
    if chosen.certificate_authority:
        ssl["certificate_authority"] = chosen.certificate_authority
    if settings:
        ssl["settings"] = dict(settings)
    return ssl


def _beside(chosen: ObjectSpec) -> dict[str, Any]:
    """Return the fields beside `ssl`."""
    values = {name: getattr(chosen, name) for name in _BESIDE_SSL}
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value
    }
