"""The settings of a service that uses the emulator's zone."""

from __future__ import annotations

from app.settings import Settings
from sandbox import constants

IN_PROCESS = "http://cloudflare.sandbox/client/v4"
"""The URL of an emulator in the same process."""

SECRET_KEY = "bmFtZXBsYXRlIGJlbmNobWFya3MsIG5vdCBzZWNyZXQ="  # noqa: S105 - encrypts nothing of worth
"""The same in every process: one that cannot read what another encrypted does not start."""


def settings_for(database_url: str, **others: object) -> Settings:
    """Return the settings of a service that uses the emulator's zone."""
    given: dict[str, object] = {
        "database_url": database_url,
        "cloudflare_base_url": IN_PROCESS,
        "cloudflare_zone_id": constants.ZONE_ID,
        "cloudflare_api_token": constants.TOKEN,
        "cname_target": constants.CNAME_TARGET,
        "fallback_origin": constants.FALLBACK_ORIGIN,
        "secret_keys": SECRET_KEY,
        "dns_resolvers": "127.0.0.1:53",
        "dns_authoritative": False,
        # Steps are not hurried: a request waits for all of its reconcile.
        "inline_deadline": 60,
        "request_timeout": 120,
    }
    return Settings.model_validate(given | others)
