"""The templates of Cloudflare's paths, for metrics and logs."""

from __future__ import annotations

import re

_ROUTES = (
    (re.compile(r"^/zones/[^/]+"), "/zones/{zone_id}"),
    (re.compile(r"^/accounts/[^/]+"), "/accounts/{account_id}"),
    (
        re.compile(r"/custom_hostnames/(?!(?:fallback_origin|quota)$)[^/]+$"),
        "/custom_hostnames/{id}",
    ),
    (re.compile(r"/dns_records/[^/]+$"), "/dns_records/{id}"),
)
"""What in a path is an id, and what stands in its place in metrics and logs."""


def route_of(path: str) -> str:
    """Give the path's template: no id of anything."""
    for ids, template in _ROUTES:
        path = ids.sub(template, path)
    return path
