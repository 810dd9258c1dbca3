"""Cloudflare's JSON, read leniently: unknown fields are dropped, unknown statuses kept as text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from app.domain.observation import CloudflareHostname, ValidationRecord
from app.domain.zone import CloudflareZone, FallbackOrigin, Quota, ZoneRecord


class ErrorEntry(BaseModel):
    """One entry of the envelope's `errors`. `error_chain` details a malformed request."""

    code: int = 0
    message: str = ""
    error_chain: list[ErrorEntry] = []

    @property
    def text(self) -> str:
        """The message, followed by the messages of its chain."""
        return ": ".join([self.message, *(each.message for each in self.error_chain)])


class ResultInfo(BaseModel):
    """The length of a list."""

    total_count: int | None = None


class Envelope(BaseModel):
    """The envelope around answers. Any key but `success` may be missing, whatever the status."""

    success: bool = False
    errors: Any = None
    result: Any = None
    result_info: Any = None

    @property
    def first_error(self) -> ErrorEntry:
        """The first error; an empty one if none can be read."""
        entries = self.errors if isinstance(self.errors, list) else []
        try:
            return ErrorEntry.model_validate(entries[0]) if entries else ErrorEntry()
        except ValidationError:
            return ErrorEntry()

    @property
    def total_count(self) -> int | None:
        """How many entries the whole list has, if the answer says so."""
        try:
            return ResultInfo.model_validate(self.result_info).total_count
        except ValidationError:
            return None


class _Token(BaseModel):
    txt_name: str | None = None
    txt_value: str | None = None
    http_url: str | None = None
    http_body: str | None = None
    emails: list[str] | None = None

    def to_domain(self) -> ValidationRecord:
        return ValidationRecord(
            self.txt_name, self.txt_value, self.http_url, self.http_body, tuple(self.emails or ())
        )


class _Delegation(BaseModel):
    cname: str | None = None
    cname_target: str | None = None


class _ValidationError(BaseModel):
    message: str | None = None


class _Ssl(_Token):
    """The certificate. Older answers repeat the first token's fields here, beside the list."""

    status: str | None = None
    method: str | None = None
    type: str | None = None
    wildcard: bool | None = None
    cloudflare_branding: bool | None = None
    certificate_authority: str | None = None
    settings: dict[str, Any] | None = None
    validation_records: list[_Token] | None = None
    dcv_delegation_records: list[_Delegation] | None = None
    validation_errors: list[_ValidationError | None] | None = None

    @property
    def tokens(self) -> tuple[ValidationRecord, ...]:
        """The tokens of domain control validation."""
        listed = tuple(token.to_domain() for token in self.validation_records or ())
        own = self.to_domain()
        return listed or ((own,) if own != ValidationRecord() else ())


class _Ownership(BaseModel):
    name: str | None = None
    value: str | None = None


class _OwnershipHttp(BaseModel):
    http_url: str | None = None
    http_body: str | None = None


class WireHostname(BaseModel):
    """A custom hostname of `/zones/{zone_id}/custom_hostnames`."""

    id: str
    hostname: str
    status: str | None = None
    ssl: _Ssl | None = None
    ownership_verification: _Ownership | None = None
    ownership_verification_http: _OwnershipHttp | None = None
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    custom_metadata: dict[str, Any] | None = None
    verification_errors: list[str | None] | None = None
    created_at: datetime | None = None

    def to_domain(self) -> CloudflareHostname:
        """Convert to the domain's value."""
        ssl, ownership = self.ssl or _Ssl(), self.ownership_verification or _Ownership()
        by_http = self.ownership_verification_http or _OwnershipHttp()
        handed = ssl.dcv_delegation_records or ()
        return CloudflareHostname(
            id=self.id,
            hostname=self.hostname,
            status=self.status or "",
            ssl_status=ssl.status,
            ssl_method=ssl.method,
            ssl_type=ssl.type,
            wildcard=bool(ssl.wildcard) or self.hostname.startswith("*."),
            cloudflare_branding=bool(ssl.cloudflare_branding),
            certificate_authority=ssl.certificate_authority,
            ssl_settings=ssl.settings or {},
            verification_errors=tuple(text for text in self.verification_errors or () if text),
            validation_errors=tuple(
                each.message for each in ssl.validation_errors or () if each and each.message
            ),
            # Once the token is not needed any more, the object may remain with empty texts.
            ownership_name=ownership.name or None,
            ownership_value=ownership.value or None,
            ownership_http=_pair(by_http.http_url, by_http.http_body),
            delegation=next(filter(None, (_pair(d.cname, d.cname_target) for d in handed)), None),
            custom_origin_server=self.custom_origin_server or None,
            custom_origin_sni=self.custom_origin_sni or None,
            custom_metadata=self.custom_metadata,
            validation_records=ssl.tokens,
            created_at=self.created_at,
        )


def _pair(first: str | None, second: str | None) -> tuple[str, str] | None:
    return (first, second) if first and second else None


class WireFallbackOrigin(BaseModel):
    """The answer of `/custom_hostnames/fallback_origin`."""

    origin: str
    status: str = "initializing"
    errors: list[str] | None = None

    def to_domain(self) -> FallbackOrigin:
        """Convert to the domain's value."""
        return FallbackOrigin(self.origin, self.status, tuple(self.errors or ()))


class WireRecord(BaseModel):
    """A record of `/zones/{zone_id}/dns_records`."""

    id: str
    type: str
    name: str
    content: str = ""
    proxied: bool = False

    def to_domain(self) -> ZoneRecord:
        """Convert to the domain's value."""
        return ZoneRecord(self.id, self.type, self.name, self.content, self.proxied)


class _Account(BaseModel):
    id: str | None = None


class WireZone(BaseModel):
    """The answer of `/zones/{zone_id}`."""

    name: str
    account: _Account = Field(default_factory=_Account)

    def to_domain(self) -> CloudflareZone:
        """Convert to the domain's value."""
        return CloudflareZone(self.name, self.account.id)


class WireAddressRanges(BaseModel):
    """The answer of `/ips`: networks in CIDR notation."""

    ipv4_cidrs: list[str]
    ipv6_cidrs: list[str]


class WireQuota(BaseModel):
    """The answer of `/custom_hostnames/quota`."""

    allocated: int | None = None
    used: int | None = None

    def to_domain(self) -> Quota:
        """Convert to the domain's value."""
        return Quota(self.allocated, self.used)


class WireUuid(BaseModel):
    """The answer of `/dcv_delegation/uuid`."""

    uuid: str


class WireTokenStatus(BaseModel):
    """The answer of `/user/tokens/verify`."""

    status: str
