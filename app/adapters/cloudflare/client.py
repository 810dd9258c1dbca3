"""A small client for Cloudflare's API. Rate limits and retries are left to its callers.

The rate limit headers of each answer go to `heard`, whichever caller asked. The answer stands even
if that fails.

Each method returns domain values or raises a `CloudflareError`. An answer counts only if it has a
2xx status and is Cloudflare's own envelope with `success: true`. Anything else is
`CloudflareUnavailable`, unless it is one of Cloudflare's known refusals.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from app.adapters.cloudflare import request_bodies
from app.adapters.cloudflare.objects import (
    Envelope,
    WireAddressRanges,
    WireFallbackOrigin,
    WireHostname,
    WireQuota,
    WireRecord,
    WireTokenStatus,
    WireUuid,
    WireZone,
)
from app.adapters.cloudflare.responses import NOT_FOUND, envelope_of, rate_headers, retry_after
from app.domain.errors import (
    CloudflareNotFound,
    CloudflarePermissionMissing,
    CloudflareUnauthorized,
    CloudflareUnavailable,
)
from app.domain.object_spec import ObjectSpec
from app.domain.observation import CloudflareHostname, HostnamePage
from app.domain.rate_limit import RateHeaders
from app.domain.resync import PER_PAGE
from app.domain.zone import CloudflareZone, FallbackOrigin, Quota, ZoneAccess, ZoneRecord
from app.metrics import CLOUDFLARE_CALLS, CLOUDFLARE_DURATION, UNREADABLE

Wire = TypeVar("Wire", bound=BaseModel)
NO_FALLBACK_ORIGIN = 1551
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
ACCOUNT_TOKEN = "cfat_"  # noqa: S105 - how tokens begin that an account owns
MOST_LOGGED = 10_000
"""How many ids of unreadable entries to remember, so that each is logged once."""
log = structlog.get_logger(__name__)


class Heard(Protocol):
    """Receives the rate limit headers of each answer."""

    async def __call__(
        self,
        access: ZoneAccess,
        headers: RateHeaders | None,
        *,
        refused_for: float | None,
        refused: bool,
        creating: bool,
    ) -> None:
        """Record the headers. `refused` means a 429, `refused_for` the seconds it asks to wait."""


async def nobody_hears(
    access: ZoneAccess,
    headers: RateHeaders | None,
    *,
    refused_for: float | None,
    refused: bool,
    creating: bool,
) -> None:
    """Ignore the headers: a client on its own has no budget."""


class CloudflareClient:
    """One connection pool for all zones. Every call names its zone and token."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, heard: Heard = nobody_hears) -> None:
        self._http = http
        self._heard = heard
        self._base_url = base_url.rstrip("/")
        self._logged: set[str] = set()

    async def create(
        self, access: ZoneAccess, hostname: str, wanted: ObjectSpec
    ) -> CloudflareHostname:
        """Create a custom hostname.

        Raises:
            CloudflareDuplicate: the zone has it already (409, code 1406).
            CloudflareRefused: a permanent refusal.
            CloudflareUnavailable: no usable answer; it may have been created all the same.
        """
        body = request_bodies.creation(hostname, wanted)
        result = await self._call(access, "POST", "/custom_hostnames", json=body)
        return _read(WireHostname, result).to_domain()

    async def get(self, access: ZoneAccess, cloudflare_id: str) -> CloudflareHostname:
        """Get a custom hostname.

        Raises:
            CloudflareNotFound: it certainly does not exist.
        """
        result = await self._call(access, "GET", f"/custom_hostnames/{_segment(cloudflare_id)}")
        return _read(WireHostname, result).to_domain()

    async def list_page(
        self, access: ZoneAccess, *, page: int, filters: Mapping[str, str]
    ) -> HostnamePage:
        """List one page of at most 50 custom hostnames, with Cloudflare's own filters.

        Entries are read one by one. The ids of entries that cannot be read are in `unreadable`.
        """
        params: dict[str, str | int] = {"page": page, "per_page": PER_PAGE, **filters}
        envelope = await self._ask(access, "GET", "/custom_hostnames", params=params)
        entries = _entries(envelope.result)
        total = _total(envelope, page, len(entries))
        hostnames, unreadable = list[CloudflareHostname](), list[str]()
        for entry in entries:
            try:
                hostnames.append(_read(WireHostname, entry).to_domain())
            except CloudflareUnavailable as error:
                unreadable.append(self._note_unreadable(entry, error))
        return HostnamePage(tuple(hostnames), total, tuple(unreadable))

    def _note_unreadable(self, entry: Any, error: CloudflareUnavailable) -> str:
        """Log an unreadable entry, once per id. Return its id, or an empty text if it has none."""
        named = entry.get("id") if isinstance(entry, dict) else None
        key = named if isinstance(named, str) else ""
        UNREADABLE.inc()
        if key not in self._logged:
            if len(self._logged) >= MOST_LOGGED:
                self._logged.clear()
            self._logged.add(key)
            log.warning("cloudflare_entry_unreadable", cloudflare_id=key, detail=error.detail)
        return key

    async def refresh(
        self, access: ZoneAccess, view: CloudflareHostname, chosen: ObjectSpec
    ) -> CloudflareHostname:
        """Ask Cloudflare to check again now, by a PATCH that changes nothing.

        Raises:
            CloudflareRefused: a permanent refusal; nothing was changed.
        """
        return await self._patch(access, view.id, request_bodies.refresh(view, chosen))

    async def edit(
        self,
        access: ZoneAccess,
        view: CloudflareHostname,
        wanted: ObjectSpec,
        *,
        applied: ObjectSpec | None = None,
    ) -> CloudflareHostname:
        """Send another spec. `applied` is the spec sent before it.

        Raises:
            CloudflareRefused: a permanent refusal; nothing was changed.
            CloudflareUnavailable: no usable answer; it may have taken effect all the same.
        """
        return await self._patch(access, view.id, request_bodies.edit(view, wanted, applied))

    async def _patch(
        self, access: ZoneAccess, cloudflare_id: str, body: Mapping[str, Any]
    ) -> CloudflareHostname:
        path = f"/custom_hostnames/{_segment(cloudflare_id)}"
        return _read(WireHostname, await self._call(access, "PATCH", path, json=body)).to_domain()

    async def delete(self, access: ZoneAccess, cloudflare_id: str) -> None:
        """Delete a custom hostname with its certificates.

        Any 2xx is success: the API reference shows a bare `{"id": ...}` without the envelope.

        Raises:
            CloudflareNotFound: it was deleted before.
        """
        url = self._zone_url(access, f"/custom_hostnames/{_segment(cloudflare_id)}")
        response = await self._request(access, "DELETE", url)
        if not response.is_success:
            envelope_of(response, NOT_FOUND)
            raise CloudflareUnavailable(f"Status {response.status_code} to a removal.")

    async def fallback_origin(self, access: ZoneAccess) -> FallbackOrigin | None:
        """Return the zone's fallback origin, or None if it has none."""
        path = "/custom_hostnames/fallback_origin"
        try:
            result = await self._call(access, "GET", path, absent=NO_FALLBACK_ORIGIN)
        except CloudflareNotFound:
            return None
        origin = result.get("origin") if isinstance(result, dict) else None
        return _read(WireFallbackOrigin, result).to_domain() if origin else None

    async def put_fallback_origin(self, access: ZoneAccess, origin: str) -> FallbackOrigin:
        """Set the fallback origin to a proxied name of the zone."""
        path = "/custom_hostnames/fallback_origin"
        result = await self._call(access, "PUT", path, json={"origin": origin})
        return _read(WireFallbackOrigin, result).to_domain()

    async def records_at(self, access: ZoneAccess, name: str) -> list[ZoneRecord]:
        """Return the zone's own DNS records at one name."""
        result = await self._call(access, "GET", "/dns_records", params={"name": name})
        records = [_read(WireRecord, each).to_domain() for each in _entries(result)]
        return [record for record in records if record.name == name]

    async def create_record(
        self, access: ZoneAccess, *, type_: str, name: str, content: str
    ) -> ZoneRecord:
        """Add a proxied record to the zone."""
        # A ttl of 1 means automatic.
        body = {"type": type_, "name": name, "content": content, "proxied": True, "ttl": 1}
        result = await self._call(access, "POST", "/dns_records", json=body)
        return _read(WireRecord, result).to_domain()

    async def proxy_record(self, access: ZoneAccess, record_id: str) -> ZoneRecord:
        """Turn on proxying for an existing record."""
        body = {"proxied": True}
        result = await self._call(access, "PATCH", f"/dns_records/{record_id}", json=body)
        return _read(WireRecord, result).to_domain()

    async def dcv_delegation_uuid(self, access: ZoneAccess) -> str:
        """Return the zone's label under dcv.cloudflare.com."""
        result = await self._call(access, "GET", "/dcv_delegation/uuid")
        return _read(WireUuid, result).uuid

    async def address_ranges(self, access: ZoneAccess) -> tuple[str, ...]:
        """Return Cloudflare's published address ranges."""
        envelope = await self._send(access, "GET", self._base_url + "/ips")
        found = _read(WireAddressRanges, envelope.result)
        return (*found.ipv4_cidrs, *found.ipv6_cidrs)

    async def quota(self, access: ZoneAccess) -> Quota:
        """Return how many custom hostnames the zone may have."""
        result = await self._call(access, "GET", "/custom_hostnames/quota")
        return _read(WireQuota, result).to_domain()

    async def zone(self, access: ZoneAccess) -> CloudflareZone:
        """Return the zone's name and account."""
        return _read(WireZone, await self._call(access, "GET", "")).to_domain()

    async def token_status(self, access: ZoneAccess) -> str:
        """Return the token's own status, which is `active` when it works.

        A user's token and an account's token are verified at different paths. At the wrong path, a
        valid token is called invalid. The account is the zone's.

        Raises:
            CloudflareUnauthorized: the token is not accepted at either path.
        """
        if not access.api_token.startswith(ACCOUNT_TOKEN):
            try:
                return await self._verified(access, "/user/tokens/verify")
            except CloudflareUnauthorized:
                # It may be an account's token in another form.
                pass
        account_id = access.account_id or await self._account_of(access)
        if account_id is None:
            raise CloudflareUnavailable("Cloudflare does not say whose account the zone is in.")
        return await self._verified(access, f"/accounts/{_segment(account_id)}/tokens/verify")

    async def _account_of(self, access: ZoneAccess) -> str | None:
        """Return the zone's account.

        If the token may not read the zone, that says nothing about the token's validity.
        """
        try:
            return (await self.zone(access)).account_id
        except CloudflarePermissionMissing as error:
            raise CloudflareUnavailable(error.detail) from None

    async def _verified(self, access: ZoneAccess, path: str) -> str:
        envelope = await self._send(access, "GET", self._base_url + path)
        return _read(WireTokenStatus, envelope.result).status

    async def _call(
        self,
        access: ZoneAccess,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
        absent: int = NOT_FOUND,
    ) -> Any:
        envelope = await self._ask(access, method, path, json=json, params=params, absent=absent)
        return envelope.result

    async def _ask(
        self,
        access: ZoneAccess,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
        absent: int = NOT_FOUND,
    ) -> Envelope:
        url = self._zone_url(access, path)
        return await self._send(access, method, url, json=json, params=params, absent=absent)

    def _zone_url(self, access: ZoneAccess, path: str) -> str:
        return f"{self._base_url}/zones/{access.cloudflare_zone_id}{path}"

    async def _send(
        self,
        access: ZoneAccess,
        method: str,
        url: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
        absent: int = NOT_FOUND,
    ) -> Envelope:
        response = await self._request(access, method, url, json=json, params=params)
        return envelope_of(response, absent)

    async def _request(
        self,
        access: ZoneAccess,
        method: str,
        url: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        """Make a request, and pass on the answer's rate limit headers."""
        headers = {"Authorization": f"Bearer {access.api_token}"}
        began, status = time.monotonic(), "none"
        try:
            response = await self._http.request(
                method,
                url,
                json=json,
                params=params,
                headers=headers,
                timeout=TIMEOUT,
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # Leave out the error's text and chain: a bad header's value is the token.
            why = type(error).__name__
            raise CloudflareUnavailable(f"Cloudflare did not answer ({why}).") from None
        else:
            status = str(response.status_code)
        finally:
            self._note_call(access, method, url, status, time.monotonic() - began)
        await self._hear(access, response, creating=method == "POST")
        return response

    def _note_call(
        self, access: ZoneAccess, method: str, url: str, status: str, seconds: float
    ) -> None:
        route = route_of(url.removeprefix(self._base_url))
        CLOUDFLARE_CALLS.labels(method, route, status).inc()
        CLOUDFLARE_DURATION.labels(method, route).observe(seconds)
        log.debug(
            "cloudflare_called",
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000),
            cloudflare_zone=access.cloudflare_zone_id,
        )

    async def _hear(self, access: ZoneAccess, response: httpx.Response, *, creating: bool) -> None:
        refused = response.status_code == httpx.codes.TOO_MANY_REQUESTS
        headers = rate_headers(response)
        if not refused and headers is None:
            return
        try:
            await self._heard(
                access,
                headers,
                refused_for=retry_after(response) if refused else None,
                refused=refused,
                creating=creating and response.url.path.endswith("/custom_hostnames"),
            )
        except Exception:
            # Keep the answer. Without it, a creation would be sent a second time.
            log.exception("rate_limit_not_noted", budget=access.budget)


def _read(wire: type[Wire], result: Any) -> Wire:
    try:
        return wire.model_validate(result)
    except ValidationError as error:
        raise CloudflareUnavailable(
            f"Cloudflare's answer lacks what a {wire.__name__} needs."
        ) from error


def _total(envelope: Envelope, page: int, listed: int) -> int:
    """Return the list's length. If it is not given, a page that is not full is the last one."""
    total = envelope.total_count
    if total is None and listed < PER_PAGE:
        return (page - 1) * PER_PAGE + listed
    if total is None:
        raise CloudflareUnavailable("Cloudflare's list does not say how long it is.")
    return total


def _segment(text: str) -> str:
    """Quote an id of Cloudflare's as one path segment."""
    return quote(text, safe="")


def _entries(result: Any) -> list[Any]:
    if not isinstance(result, list):
        raise CloudflareUnavailable("Cloudflare's answer is no list.")
    return result


_ROUTES = (
    (re.compile(r"^/zones/[^/]+"), "/zones/{zone_id}"),
    (re.compile(r"^/accounts/[^/]+"), "/accounts/{account_id}"),
    (
        re.compile(r"/custom_hostnames/(?!(?:fallback_origin|quota)$)[^/]+$"),
        "/custom_hostnames/{id}",
    ),
    (re.compile(r"/dns_records/[^/]+$"), "/dns_records/{id}"),
)
"""The ids in a path, and what replaces them in metrics and logs."""


def route_of(path: str) -> str:
    """Return the path's template, without any ids."""
    for ids, template in _ROUTES:
        path = ids.sub(template, path)
    return path
