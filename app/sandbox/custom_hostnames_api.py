"""The endpoints under /zones/{zone_id}/custom_hostnames.

Reads calls, changes state through the lifecycle and shows it; limits and faults are before it.
"""

import uuid
from typing import Any

from app.sandbox import constants, errors, hostname_query, naming, ssl_request, views
from app.sandbox.account import Account
from app.sandbox.call import Call
from app.sandbox.clock import Clock
from app.sandbox.envelope import ApiError, Reply, success
from app.sandbox.fallback import FallbackOriginKeeper
from app.sandbox.hostnames import CustomHostnames
from app.sandbox.identifiers import Identifiers
from app.sandbox.lifecycle import Lifecycle
from app.sandbox.model import Certificate, CustomHostname
from app.sandbox.rate_limit import RateLimits
from app.sandbox.zone_records import ZoneRecords

_UNBRANDED_LENGTH = 64
_EDITABLE = ("custom_metadata", "custom_origin_server", "custom_origin_sni")


class CustomHostnamesApi:
    """Custom hostnames and the quota of the one zone."""

    def __init__(
        self,
        clock: Clock,
        hostnames: CustomHostnames,
        lifecycle: Lifecycle,
        fallback: FallbackOriginKeeper,
        records: ZoneRecords,
        limits: RateLimits,
        account: Account,
        identifiers: Identifiers,
    ) -> None:
        self._clock = clock
        self._hostnames = hostnames
        self._lifecycle = lifecycle
        self._fallback = fallback
        self._records = records
        self._limits = limits
        self._account = account
        self._identifiers = identifiers

    def create(self, call: Call) -> Reply:
        """POST: take in a custom hostname and order its certificate."""
        body = call.json()
        self._account.refuse_unentitled(body)
        name, starred = naming.custom_hostname(body.get("hostname"))
        self._refuse_own_names(name)
        ssl = self._new_certificate(name, body.get("ssl"), starred=starred)
        edits = self._edits(body)
        if self._hostnames.named(name):
            raise errors.duplicate()
        self._account.refuse_past_quota(len(self._hostnames), self._hostnames.seeded)
        wait = self._limits.admit_creation()
        if wait is not None:
            raise TooManyCreationsError(wait)
        hostname = CustomHostname(
            sequence=self._hostnames.next_sequence(),
            id=self._identifiers.uuid(),
            hostname=name,
            created_at=self._clock.wall(),
            ownership_token=self._identifiers.uuid(),
            http_token=self._identifiers.uuid(),
            ssl=ssl,
            **edits,
        )
        self._lifecycle.begin(hostname)
        self._limits.count_creation()
        return success(views.custom_hostname(hostname), status=201)

    def list(self, call: Call) -> Reply:
        """GET: find custom hostnames."""
        page = call.page(default=20, smallest=5, largest=50)
        rows, total = hostname_query.select(self._hostnames, call, page)
        shown = [views.custom_hostname(row) for row in rows]
        return success(shown, info=page.info(len(shown), total))

    def get(self, call: Call) -> Reply:
        """GET one."""
        return success(views.custom_hostname(self._found(call)))

    def edit(self, call: Call) -> Reply:
        """PATCH: edit; with `ssl.method` and `ssl.type` also look again at once."""
        hostname = self._found(call)
        body = call.json()
        self._account.refuse_unentitled(body)
        edits = self._edits(body)
        asked = self._asked_ssl(hostname, body)
        for key, value in edits.items():
            setattr(hostname, key, value)
        if asked is None:
            self._lifecycle.save(hostname)
            return success(views.custom_hostname(hostname), status=202)
        is_new = hostname.ssl is None
        hostname.ssl = hostname.ssl or Certificate(self._identifiers.uuid(), "http")
        new_order = asked.apply(hostname.ssl) or is_new
        if asked.method is None and not new_order:
            self._lifecycle.save(hostname)
        else:
            self._lifecycle.refresh(hostname, new_order=new_order)
        return success(views.custom_hostname(hostname), status=202)

    def delete(self, call: Call) -> Reply:
        """DELETE: the custom hostname and its certificates are gone at once."""
        hostname = self._found(call)
        self._lifecycle.remove(hostname)
        return success({"id": hostname.id}, beside={"id": hostname.id})

    def quota(self, _: Call) -> Reply:
        """GET how many there are and how many there may be."""
        used, allocated = len(self._hostnames), self._account.settings.quota_allocated
        return success(
            {
                "allocated": allocated,
                "used": used,
                "exceeded": used > allocated,
                "hard_cap": self._account.hard_cap(self._hostnames.seeded),
            }
        )

    def _found(self, call: Call) -> CustomHostname:
        hostname_id = call.path["custom_hostname_id"]
        hostname = self._hostnames.get(hostname_id)
        if hostname is not None:
            return hostname
        try:
            uuid.UUID(hostname_id)
        except ValueError:
            raise errors.bad_id() from None
        raise errors.not_found()

    def _refuse_own_names(self, name: str) -> None:
        fallback = self._fallback.current.origin if self._fallback.current else None
        if name in (constants.ZONE_NAME, constants.CNAME_TARGET, fallback):
            raise ApiError(400, 1407, "Invalid custom hostname: it is a name of the zone itself.")

    def _new_certificate(self, name: str, ssl: object, *, starred: bool) -> Certificate | None:
        if ssl is None:
            return None
        asked = ssl_request.read(ssl, method_needed=True)
        certificate = Certificate(self._identifiers.uuid(), asked.method or "http")
        asked.apply(certificate)
        certificate.wildcard = certificate.wildcard or starred
        _refuse_impossible(name, certificate)
        return certificate

    def _asked_ssl(
        self, hostname: CustomHostname, body: dict[str, Any]
    ) -> ssl_request.SslRequest | None:
        if body.get("ssl") is None:
            return None
        asked = ssl_request.read(body["ssl"], method_needed=hostname.ssl is None)
        wildcard, method = asked.wildcard, asked.method
        if hostname.ssl:
            wildcard = hostname.ssl.wildcard if wildcard is None else wildcard
            method = method or hostname.ssl.method
        if wildcard and method == "http":
            raise errors.no_wildcard()
        return asked

    def _edits(self, body: dict[str, Any]) -> dict[str, Any]:
        edits = {key: body[key] for key in _EDITABLE if key in body}
        if not isinstance(edits.get("custom_metadata"), dict | None):
            raise errors.bad_metadata()
        if not isinstance(edits.get("custom_origin_sni"), str | None):
            raise errors.bad_json()
        if origin := edits.get("custom_origin_server"):
            edits["custom_origin_server"] = name = naming.custom_origin(origin)
            if not self._records.has_origin(name):
                raise ApiError(
                    400,
                    1421,
                    "The custom origin hostname you specified does not exist on Cloudflare as a "
                    "DNS record (A, AAAA or CNAME) in your zone.",
                )
        return edits


class TooManyCreationsError(Exception):
    """The limit of creations is reached."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many creations")
        self.retry_after = retry_after


def _refuse_impossible(name: str, certificate: Certificate) -> None:
    if certificate.wildcard and certificate.method == "http":
        raise errors.no_wildcard()
    if len(name) > _UNBRANDED_LENGTH and not certificate.cloudflare_branding:
        raise errors.needs_branding()
