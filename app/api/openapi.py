"""The OpenAPI document: FastAPI's own, the security scheme, webhooks, and routes made by hand."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import __version__
from app.api.event_webhooks import SCHEMAS, webhooks
from app.api.fast_path import FAST_PATHS
from app.api.hostname_schemas import ResolvedOut

DESCRIPTION = """
Your customers' own domains on your product, through Cloudflare for SaaS.

Send an API key as `Authorization: Bearer np_...`. Errors are problems (RFC 9457) with a stable
`code`. A hostname goes `pending -> validating -> active -> cname_verified`.
"""

CONTACT = {"name": "Nameplate contributors"}
LICENSE = {"name": "MIT", "identifier": "MIT"}
TAGS = [
    {
        "name": "custom hostnames",
        "description": "The names of your tenants, and the DNS records that each of them needs.",
    },
    {
        "name": "resolve",
        "description": "Which tenant a request to your product is for.",
    },
    {
        "name": "diagnosis",
        "description": "What is wrong in a tenant's DNS, and what to change there.",
    },
    {
        "name": "dangling",
        "description": "Removed hostnames whose DNS still points here.",
    },
    {
        "name": "events",
        "description": "What happened to all hostnames, zones and webhook endpoints, in one order.",
    },
    {
        "name": "summary",
        "description": "How many hostnames are in which state, for a dashboard.",
    },
    {
        "name": "webhook endpoints",
        "description": "The addresses to which Nameplate sends events, signed.",
    },
    {
        "name": "webhook deliveries",
        "description": "What was sent to an endpoint and how it went, and to send it once more.",
    },
    {
        "name": "zones",
        "description": "Your own zones at Cloudflare: their setup, pauses and budgets of calls.",
    },
    {
        "name": "API keys",
        "description": "Who may call this API, for which tenant, and what for.",
    },
    {
        "name": "health",
        "description": "What supervisors, load balancers and Prometheus ask; it needs no key.",
    },
]
HERE = "/"
"""The server where no public URL is known: the one that the document came from."""


def add_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` give the whole document, built once."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Nameplate",
        version=__version__,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        contact=CONTACT,
        license_info=LICENSE,
        tags=TAGS,
        servers=[{"url": app.state.public_url or HERE}],
        routes=app.routes,
    )
    document["components"]["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"apiKey": []}]
    # No route of FastAPI's has them. What they refer to is there, or is added with them.
    for model in (ResolvedOut, *SCHEMAS):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        known = document["components"]["schemas"]
        for name, definition in {**schema.pop("$defs", {}), model.__name__: schema}.items():
            known.setdefault(name, definition)
    document["webhooks"] = webhooks()
    for path, operations in FAST_PATHS.items():
        document["paths"].setdefault(path, {}).update(operations)
    return document
