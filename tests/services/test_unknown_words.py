"""Cloudflare's words that nobody knows are logged, once for each change of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.observation import CloudflareHostname
from app.services.reconciler.tick import _log_what_is_new
from tests.domain.builders import checking_view, cloudflare_object, validating_record

KNOWN = "custom hostname does not CNAME to this zone."
FINE = checking_view(verification_errors=(KNOWN,))
STRANGE = checking_view(verification_errors=(KNOWN, "quantum flux"))
INVENTED = replace(FINE, status="quantum", ssl_status="entangled")


@pytest.mark.parametrize(
    ("before", "after", "logged"),
    [
        pytest.param(FINE, FINE, [], id="what is known is not logged"),
        pytest.param(None, STRANGE, ["quantum flux"], id="a strange error is"),
        pytest.param(FINE, STRANGE, ["quantum flux"], id="when it comes"),
        pytest.param(STRANGE, STRANGE, [], id="and not again while it stays"),
        pytest.param(FINE, INVENTED, ["quantum", "entangled"], id="invented statuses are"),
        pytest.param(INVENTED, INVENTED, [], id="once as well"),
    ],
)
def test_strange_words_are_logged_once_a_change(
    before: CloudflareHostname | None, after: CloudflareHostname, logged: list[str]
) -> None:
    record = validating_record()
    known = cloudflare_object(before) if before else replace(record.cloudflare, seen=None)
    with capture_logs() as entries:
        _log_what_is_new(
            replace(record, cloudflare=known), replace(record, cloudflare=cloudflare_object(after))
        )
    assert [_said(entry) for entry in entries] == logged


def _said(entry: Any) -> str:
    return str(entry.get("text") or entry["status"])
