"""The bodies of POST and PATCH on custom hostnames, read and checked.

Makes new custom hostnames, but keeps none and begins nothing: that is `custom_hostnames_api`.
"""

from typing import Any

from sandbox import constants, errors, naming, ssl_request
from sandbox.account import Account
from sandbox.clock import Clock
from sandbox.envelope import ApiError
from sandbox.fallback import FallbackOriginKeeper
from sandbox.hostnames import CustomHostnames
from sandbox.identifiers import Identifiers, Waits
from sandbox.model import Certificate, CustomHostname
from sandbox.zone_records import ZoneRecords

_UNBRANDED_LENGTH = 64
_EDITABLE = ("custom_metadata", "custom_origin_server", "custom_origin_sni")


class HostnameRequests:
    """Reads bodies; raises what Cloudflare would answer to those it refuses."""

    def __init__(
        self,
        clock: Clock,
        hostnames: CustomHostnames,
        fallback: FallbackOriginKeeper,
        records: ZoneRecords,
        account: Account,
        identifiers: Identifiers,
        waits: Waits,
    ) -> None:
        self._clock = clock
        self._hostnames = hostnames
        self._fallback = fallback
        self._records = records
        self._account = account
        self._identifiers = identifiers
        self._waits = waits

    def new(self, body: dict[str, Any]) -> CustomHostname:
        """Return the custom hostname that a POST asks for."""
        self._account.refuse_unentitled(body, edits=False)
        name, starred = naming.custom_hostname(body.get("hostname"))
        self._refuse_own_names(name)
        sequence = self._hostnames.next_sequence()
        ssl = self._new_certificate(name, sequence, body.get("ssl"), starred=starred)
        edits = self._edits(body)
        if self._hostnames.named(name):
            raise errors.duplicate()
        self._account.refuse_past_quota(len(self._hostnames), self._hostnames.seeded)
        return CustomHostname(
            sequence=sequence,
            id=self._identifiers.uuid(),
            hostname=name,
            created_at=self._clock.wall(),
            ownership_token=self._identifiers.uuid(),
            ssl=ssl,
            **edits,
        )

    def edits(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the fields beside `ssl` that a PATCH changes."""
        self._account.refuse_unentitled(body, edits=True)
        return self._edits(body)

    def edited_ssl(
        self, hostname: CustomHostname, body: dict[str, Any]
    ) -> ssl_request.SslRequest | None:
        """Return the `ssl` object of a PATCH, None if there is none."""
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

    def blank_certificate(self, name: str, sequence: int) -> Certificate:
        """Return a certificate by the authority that Cloudflare draws for a creation."""
        authorities = self._account.settings.authorities
        authority = self._waits.authority(name, sequence, authorities)
        return Certificate(self._identifiers.uuid(), "http", certificate_authority=authority)

    def _new_certificate(
        self, name: str, sequence: int, ssl: object, *, starred: bool
    ) -> Certificate | None:
        if ssl is None:
            return None
        asked = ssl_request.read(ssl, method_needed=True)
        certificate = self.blank_certificate(name, sequence)
        asked.apply(certificate)
        certificate.wildcard = certificate.wildcard or starred
        _refuse_impossible(name, certificate)
        return certificate

    def _refuse_own_names(self, name: str) -> None:
        fallback = self._fallback.current.origin if self._fallback.current else None
        if name in (constants.ZONE_NAME, constants.CNAME_TARGET, fallback):
            raise ApiError(400, 1407, "Invalid custom hostname: it is a name of the zone itself.")

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


def _refuse_impossible(name: str, certificate: Certificate) -> None:
    if certificate.wildcard and certificate.method == "http":
        raise errors.no_wildcard()
    if len(name) > _UNBRANDED_LENGTH and not certificate.cloudflare_branding:
        raise errors.needs_branding()
