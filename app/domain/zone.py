"""The provider's zone: what is stored of it, its pause, CNAME target and fallback origin. Pure.

`domain/breaker` decides when too many mismatches pause a zone; `services/zones` changes zones.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from app.domain.errors import (
    CloudflareForbidden,
    CloudflareNotEnabled,
    CloudflarePermissionMissing,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareZoneUnknown,
    ErrorCode,
    InvalidHostname,
    InvalidInput,
)
from app.domain.hostname import parse_hostname, trim

TARGET_FINE = frozenset({None, "found"})
"""DNS results for the CNAME target with which checks go on; None before the first one."""


@dataclass(frozen=True, slots=True)
class ZoneAccess:
    """What a call needs: Cloudflare's zone id, the token, and the budget that pays for the call."""

    cloudflare_zone_id: str
    api_token: str = field(repr=False)
    budget: str = "default"
    account_id: str | None = None
    """Cloudflare's id of the zone's account. None until Cloudflare was asked for it."""


@dataclass(frozen=True, slots=True)
class CloudflareZone:
    """The zone as Cloudflare names it."""

    name: str
    account_id: str | None


@dataclass(frozen=True, slots=True)
class FallbackOrigin:
    """The zone's default origin, and whether Cloudflare is ready to send traffic there."""

    origin: str
    status: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """A DNS record of the provider's own zone."""

    id: str
    type: str
    name: str
    content: str
    proxied: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """How many custom hostnames the zone may have. None where Cloudflare does not say."""

    allocated: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the provider's application answers, as the DNS record that points there."""

    type: str
    content: str

    def is_that_of(self, record: ZoneRecord) -> bool:
        """Whether `record` points there."""
        return (record.type, record.content.removesuffix(".").lower()) == (self.type, self.content)


def parse_origin(text: str) -> Origin:
    """Read an IP address or one hostname.

    Raises:
        InvalidInput: it is neither.
    """
    text = trim(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Origin("CNAME", _origin_name(text))
    # A scope names a network interface of one machine, which a DNS record cannot express.
    if "%" in text:
        raise _no_origin("An address with a scope is valid on one machine only.")
    return Origin("A" if isinstance(address, ipaddress.IPv4Address) else "AAAA", str(address))


def _origin_name(text: str) -> str:
    try:
        # Only Cloudflare has to reach it, so any name of two or more labels will do.
        hostname = parse_hostname(text, lambda name: name.rsplit(".", 1)[-1])
    except InvalidHostname as error:
        raise _no_origin(error.detail) from error
    if hostname.is_wildcard:
        raise _no_origin("A wildcard cannot be an origin.")
    return hostname.name


def _no_origin(fault: str) -> InvalidInput:
    return InvalidInput(
        f"{fault} `origin` must be an IPv4 or IPv6 address or one hostname, without wildcard, "
        "port, brackets or scheme. Give the address of your application, such as `192.0.2.10` or "
        "`app.provider.com`.",
        code=ErrorCode.ORIGIN_INVALID,
        field="/origin",
    )


class PauseReason(StrEnum):
    """A stable code for why a zone is paused."""

    message: str
    ends_by_itself: bool
    """Whether the pause ends when its cause is fixed; if not, it waits for an operator."""

    def __new__(cls, code: str, message: str, ends_by_itself: bool) -> Self:  # noqa: FBT001
        """Make a member whose value is `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.message = message
        member.ends_by_itself = ends_by_itself
        return member

    @classmethod
    def of(cls, code: str) -> PauseReason:
        """Return the reason with this code."""
        return cls.__members__[code.upper()]

    TOKEN_REFUSED = (
        "token_refused",
        "Cloudflare rejects the zone's API token.",
        True,
    )
    TOKEN_MALFORMED = (
        "token_malformed",
        (
            "The zone's API token is malformed: it may be a global API key, or cut off when it was "
            "pasted."
        ),
        True,
    )
    TOKEN_RESTRICTED = (
        "token_restricted",
        (
            "The zone's API token has expired, was revoked, or is not allowed from this service's "
            "address."
        ),
        True,
    )
    PERMISSION_MISSING = (
        "permission_missing",
        (
            "The zone's API token lacks a permission; see `missing_permissions` of `GET "
            "/v1/zones/{id}`."
        ),
        True,
    )
    ZONE_UNKNOWN = (
        "zone_unknown",
        "Cloudflare has no zone with this id, or the token cannot access it.",
        True,
    )
    SAAS_NOT_ENABLED = (
        "saas_not_enabled",
        "Cloudflare for SaaS is not enabled on the zone.",
        True,
    )
    CALLS_FORBIDDEN = (
        "calls_forbidden",
        "Cloudflare answers every call with 403 and gives no reason.",
        True,
    )
    CNAME_TARGET_MISSING = (
        "cname_target_missing",
        "The CNAME target has no addresses. Every tenant's DNS would look wrong.",
        True,
    )
    DNS_MISMATCH = (
        "dns_mismatch",
        "DNS checks found too many live hostnames pointing elsewhere at the same time.",
        False,
    )
    CLOUDFLARE_MISMATCH = (
        "cloudflare_mismatch",
        "Cloudflare reported problems with too many live hostnames at the same time.",
        False,
    )
    HOSTNAMES_MISSING = (
        "hostnames_missing",
        "Cloudflare's list lacks too many of the zone's hostnames.",
        False,
    )
    OPERATOR = (
        "operator",
        "An operator paused the zone.",
        False,
    )


RETRY = timedelta(minutes=5)
RESUME_OVER = timedelta(hours=1)
"""Work that fell due during a pause is spread over at most this time."""
RESUME_EACH = timedelta(seconds=1)
"""And over at most this time per item, so that a few names need not wait an hour."""
TARGET_EVERY = timedelta(seconds=30)
"""How often to check the target. Twice within a confirmation, so that a missing target is known
before a loss is believed."""
TARGET_MISSING_FOR = timedelta(minutes=3)
"""How long checks must find the target absent, without finding it once, before the zone is
paused."""
TARGET_STEADY_FOR = timedelta(minutes=2)
"""How long checks must find the target again, without missing it once, before that pause ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why and since when a zone is paused."""

    reason: PauseReason
    since: datetime
    detail: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """What DNS said of a zone's CNAME target: `found`, `absent`, `unknown`; None before a check.

    Each instant is that of the first of the checks that agree. A check without an answer ends
    neither.
    """

    status: str | None = None
    absent_since: datetime | None = None
    found_since: datetime | None = None

    def then(self, status: str, now: datetime) -> TargetHistory:
        """Return the history after one more check."""
        match status:
            case "found":
                return TargetHistory(status, None, self.found_since or now)
            case "absent":
                return TargetHistory(status, self.absent_since or now, None)
            case _:
                return TargetHistory(status, self.absent_since, self.found_since)

    def is_missing(self, now: datetime) -> bool:
        """Whether the last check found no target, and neither did those of the minutes before."""
        since = self.absent_since
        return self.status == "absent" and since is not None and now - since >= TARGET_MISSING_FOR

    def is_steady(self, now: datetime) -> bool:
        """Whether the last check found the target, and so did those of the minutes before."""
        since = self.found_since
        return self.status == "found" and since is not None and now - since >= TARGET_STEADY_FOR


PAUSE_REASONS = {
    CloudflareUnauthorized.code: PauseReason.TOKEN_REFUSED,
    CloudflareTokenMalformed.code: PauseReason.TOKEN_MALFORMED,
    CloudflareTokenRestricted.code: PauseReason.TOKEN_RESTRICTED,
    CloudflarePermissionMissing.code: PauseReason.PERMISSION_MISSING,
    CloudflareZoneUnknown.code: PauseReason.ZONE_UNKNOWN,
    CloudflareNotEnabled.code: PauseReason.SAAS_NOT_ENABLED,
    CloudflareForbidden.code: PauseReason.CALLS_FORBIDDEN,
}
"""Why a zone is paused, by the code of the error that a call to Cloudflare ended with."""


def resume_over(overdue: int) -> timedelta:
    """Return the time over which to spread `overdue` names that fell due during a pause."""
    return min(RESUME_OVER, RESUME_EACH * overdue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone as it is stored. `api_token` is encrypted."""

    id: str
    is_default: bool
    cloudflare_zone_id: str
    name: str | None
    account_id: str | None
    api_token: bytes
    cname_target: str
    accepted_targets: tuple[str, ...]
    fallback_origin: str
    budget: str
    """The rate limit that its calls count towards. Zones of one Cloudflare user share one."""
    paused_at: datetime | None
    pause_reason: str | None
    pause_detail: str | None
    pause_retry_at: datetime | None
    breaker_off_until: datetime | None
    resume_cursor: str | None
    """The last id that resuming has reached. None when the zone is not being resumed."""
    resume_accepts: bool
    """Whether resuming the zone accepts regressions."""
    rerender_cursor: str | None
    """The last id whose document was re-rendered. None while nobody re-renders."""
    document_version: int
    """The `DOCUMENT_VERSION` of the code that rendered all documents, at least."""
    sequence: int
    """The number of its last event."""
    target_dns_status: str | None
    """What DNS last said of the CNAME target: `found`, `absent`, `unknown`; None before a check."""
    target_absent_since: datetime | None
    target_found_since: datetime | None
    check_due_at: datetime | None
    apex_prefixes: tuple[str, ...]
    dcv_uuid: str | None
    takes_custom_metadata: bool | None
    created_at: datetime
    updated_at: datetime

    def access(self, api_token: str) -> ZoneAccess:
        """Return what calls to Cloudflare need. `api_token` is the decrypted one."""
        return ZoneAccess(self.cloudflare_zone_id, api_token, self.budget, self.account_id)

    @property
    def target(self) -> TargetHistory:
        """What DNS has said of the CNAME target so far."""
        return TargetHistory(
            self.target_dns_status, self.target_absent_since, self.target_found_since
        )

    @property
    def pause(self) -> Pause | None:
        """The zone's pause, if it is paused."""
        if self.paused_at is None or self.pause_reason is None:
            return None
        return Pause(
            reason=PauseReason.of(self.pause_reason),
            since=self.paused_at,
            detail=self.pause_detail,
            retry_at=self.pause_retry_at,
        )


@dataclass(frozen=True, slots=True)
class OpenZone:
    """A zone that is not paused, with the fields that claims need."""

    id: str
    budget: str


@dataclass(frozen=True, slots=True)
class Destinations:
    """What a name's DNS may lead to for its traffic to arrive here."""

    names: tuple[str, ...]
    targets: tuple[str, ...]
    """Those of the names whose addresses count too: each costs questions."""
    prefixes: tuple[str, ...]
    """Addresses and prefixes of apex proxying."""


def destinations(zone: Zone, zones: Iterable[Zone]) -> Destinations:
    """Return where traffic for a name of `zone` may arrive: at any of all `zones`."""
    names: dict[str, None] = {}
    prefixes: dict[str, None] = {}
    for each in zones:
        own = (each.cname_target, *each.accepted_targets, each.fallback_origin)
        names.update(dict.fromkeys(own))
        prefixes.update(dict.fromkeys(each.apex_prefixes))
    return Destinations(tuple(names), (zone.cname_target, *zone.accepted_targets), tuple(prefixes))
