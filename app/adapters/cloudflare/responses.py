"""Reads Cloudflare's answers: the envelope of a success, the error of a refusal, rate limits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import httpx
from pydantic import ValidationError

from app.adapters.cloudflare.objects import Envelope
from app.domain.errors import (
    CloudflareDuplicate,
    CloudflareError,
    CloudflareForbidden,
    CloudflareNotEnabled,
    CloudflareNotFound,
    CloudflarePermissionMissing,
    CloudflareRateLimited,
    CloudflareRefused,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareUnavailable,
    CloudflareZoneUnknown,
)
from app.domain.rate_limit import DEFAULT_RETRY_SECONDS, RateHeaders

NOT_FOUND = 1436
DUPLICATE = 1406
MOST_WAIT = 3600.0
"""The longest wait in seconds that an answer may ask for."""

NO_ACCESS: Mapping[tuple[int, int], type[CloudflareUnauthorized]] = {
    (400, 6003): CloudflareTokenMalformed,
    (400, 1001): CloudflareTokenMalformed,
    (403, 9109): CloudflareTokenRestricted,
    (403, 10000): CloudflarePermissionMissing,
    (400, 7000): CloudflareZoneUnknown,
    (400, 7003): CloudflareZoneUnknown,
    (404, 7000): CloudflareZoneUnknown,
    (404, 7003): CloudflareZoneUnknown,
    (400, 1404): CloudflareNotEnabled,
    (403, 1404): CloudflareNotEnabled,
    (400, 1456): CloudflareNotEnabled,
    (403, 1456): CloudflareNotEnabled,
}
"""What is wrong with the token or the zone, by status and code. Any 401 is about the token.
Sources: Cloudflare's API reference, and public reports of such answers."""


# Cloudflare's codes about the custom hostname (14xx) or the DNS record (81xxx) that was sent.
_REFUSALS = (range(1400, 1500), range(81000, 82000))


def envelope_of(response: httpx.Response, absent: int) -> Envelope:
    """Return the envelope of a success. `absent` is another code besides 1436 for "not found".

    Raises:
        CloudflareError: the one that the answer's status and code stand for.
    """
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        asked = retry_after(response)
        wait = DEFAULT_RETRY_SECONDS if asked is None else asked
        raise CloudflareRateLimited("Cloudflare's rate limit is reached.", retry_after=wait)
    try:
        envelope = Envelope.model_validate_json(response.content)
    except ValidationError as error:
        detail = f"Status {response.status_code} without Cloudflare's envelope."
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CloudflareUnauthorized(detail) from error
        # This includes 403: a firewall's page may be about one tenant's body, and must not pause
        # the zone.
        raise CloudflareUnavailable(detail) from error
    if response.is_success and envelope.success:
        return envelope
    raise _refusal(response.status_code, envelope, absent)


def _refusal(status: int, envelope: Envelope, absent: int) -> CloudflareError:
    code, message = envelope.first_error.code, envelope.first_error.text
    detail = f"Cloudflare answered {status} with code {code}: {message}"
    if status == httpx.codes.UNAUTHORIZED:
        return CloudflareUnauthorized(detail)
    if (status, code) in NO_ACCESS:
        return NO_ACCESS[status, code](detail)
    if status == httpx.codes.NOT_FOUND and code in {NOT_FOUND, absent}:
        return CloudflareNotFound(detail)
    if status == httpx.codes.CONFLICT and code == DUPLICATE:
        return CloudflareDuplicate(detail)
    if 400 <= status < 500 and any(code in codes for codes in _REFUSALS):  # noqa: PLR2004
        return CloudflareRefused(detail, cloudflare_code=code)
    if status == httpx.codes.FORBIDDEN:
        return CloudflareForbidden(detail)
    return CloudflareUnavailable(detail)


def retry_after(response: httpx.Response) -> float | None:
    """Read `retry-after` in seconds. None if it is missing or a date."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MOST_WAIT) if math.isfinite(seconds) else None


def rate_headers(response: httpx.Response) -> RateHeaders | None:
    """Read `x-ratelimit-limit`, `-remaining` and `-reset`. None if any of them is missing."""
    try:
        limit, remaining, reset = (
            float(response.headers[f"x-ratelimit-{name}"])
            for name in ("limit", "remaining", "reset")
        )
    except (KeyError, ValueError):
        return None
    if not all(math.isfinite(each) and each >= 0 for each in (limit, remaining, reset)):
        return None
    return RateHeaders(limit=int(limit), remaining=int(remaining), reset=min(reset, MOST_WAIT))
