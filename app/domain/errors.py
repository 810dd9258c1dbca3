"""Every error that Nameplate raises, as one tree. `web/errors` maps them to HTTP statuses.

NameplateError
├── InvalidInput                 what was sent cannot be accepted as it is
│   ├── InvalidHostname / AlsoInvalid / RedirectInvalid
│   └── PlanNotAvailable / OptionNotAvailable
├── NotFound
├── Conflict                     valid, but it conflicts with what exists now
│   └── HostnameTaken / SiblingDiffers / ProofRequired / StillDeleting
├── PreconditionFailed           If-Match names another revision
├── Unauthenticated / Forbidden
│   └── TenantBoundKey               the key is bound to one tenant
├── RateLimited                  the API key sent too many requests
├── WebhookRefused               the URL may not be called
├── NotReady                     a setting does not fit, or the schema is missing
├── DatabaseUnavailable          Postgres does not answer
└── CloudflareError              what Cloudflare's API answered, or did not
    ├── CloudflareUnavailable        transient: no answer, 5xx, or an unreadable one
    │   ├── CloudflareRateLimited    429, with the wait it asks for
    │   └── BudgetSpent              not asked: the call budget is spent
    ├── CloudflareUnauthorized       the whole zone is unusable as it is set up
    │   ├── CloudflareTokenMalformed     the token is not well-formed
    │   ├── CloudflareTokenRestricted    expired, revoked, or not for calls from this address
    │   ├── CloudflarePermissionMissing  the token lacks the permission
    │   ├── CloudflareZoneUnknown        the zone's id is unknown
    │   ├── CloudflareNotEnabled         Cloudflare for SaaS is not enabled on the zone
    │   └── CloudflareForbidden          403 without a known code: it may be about one call
    ├── CloudflareNotFound           404 with code 1436, the only "not found"
    ├── CloudflareDuplicate          409 with code 1406
    └── CloudflareRefused            a permanent refusal, with Cloudflare's code

`code` is stable and part of the API. The text is for people and says how to resolve the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, auto
from typing import ClassVar


class ErrorCode(StrEnum):
    """Every `code` of a problem. Codes are stable; `docs/problems.md` explains each."""

    INVALID_REQUEST = auto()
    INVALID_INPUT = auto()
    BODY_NOT_JSON = auto()
    BAD_REQUEST = auto()
    BODY_TOO_LARGE = auto()
    UNSUPPORTED_MEDIA_TYPE = auto()
    METHOD_NOT_ALLOWED = auto()
    NOT_FOUND = auto()
    HTTP_ERROR = auto()
    QUERY_UNKNOWN = auto()
    FEED_EXPIRED = auto()
    TOO_MANY_STREAMS = auto()
    FILTER_TOO_BROAD = auto()
    IDEMPOTENCY_KEY_INVALID = auto()
    IDEMPOTENCY_KEY_REUSED = auto()
    IDEMPOTENCY_KEY_IN_USE = auto()
    CURSOR_INVALID = auto()
    ETAG_INVALID = auto()
    PRECONDITION_FAILED = auto()
    UNAUTHENTICATED = auto()
    TOO_MANY_FAILED_KEYS = auto()
    TOO_MANY_WAITING = auto()
    FORBIDDEN = auto()
    TENANT_BOUND_KEY = auto()
    RATE_LIMITED = auto()
    REQUEST_TIMED_OUT = auto()
    BODY_TOO_SLOW = auto()
    OVERLOADED = auto()
    HOSTNAME_EMPTY = auto()
    HOSTNAME_IS_URL = auto()
    HOSTNAME_HAS_PORT = auto()
    HOSTNAME_IS_IP = auto()
    HOSTNAME_TOO_LONG = auto()
    LABEL_TOO_LONG = auto()
    LABEL_EMPTY = auto()
    HOSTNAME_INVALID_CHARACTER = auto()
    HOSTNAME_NOT_IDNA = auto()
    HOSTNAME_MIXES_SCRIPTS = auto()
    WILDCARD_MISPLACED = auto()
    HOSTNAME_RESERVED = auto()
    HOSTNAME_IS_PUBLIC_SUFFIX = auto()
    TOP_LEVEL_DOMAIN_UNKNOWN = auto()
    HOSTNAME_IS_OURS = auto()
    ALSO_INVALID = auto()
    REDIRECT_INVALID = auto()
    HOSTNAME_TAKEN = auto()
    ALREADY_EXISTS = auto()
    SHARED_OBJECT_DIFFERS = auto()
    PROOF_REQUIRED = auto()
    STILL_DELETING = auto()
    NOTHING_TO_ADOPT = auto()
    IS_DELETING = auto()
    IS_DELETED = auto()
    CONFLICT = auto()
    FIELD_FIXED = auto()
    PLAN_NOT_AVAILABLE = auto()
    OPTION_NOT_AVAILABLE = auto()
    ZONE_UNKNOWN = auto()
    ORIGIN_REQUIRED = auto()
    ORIGIN_INVALID = auto()
    ZONE_PAUSED = auto()
    ZONE_NOT_PAUSED = auto()
    URL_INVALID = auto()
    URL_NOT_HTTPS = auto()
    ADDRESS_NOT_ALLOWED = auto()
    PORT_NOT_ALLOWED = auto()
    HOST_UNRESOLVED = auto()
    EVENT_TYPE_UNKNOWN = auto()
    ENDPOINT_DISABLED = auto()
    DELIVERY_UNDER_WAY = auto()
    TOO_MANY_ATTEMPTS = auto()
    TOO_MANY_ENDPOINTS = auto()
    SECRETS_OVERLAP = auto()
    SCOPE_UNKNOWN = auto()
    ADMIN_KEY_BOUND = auto()
    EXPIRY_PAST = auto()
    TOKEN_IS_A_SETTING = auto()
    CLOUDFLARE_UNAUTHORIZED = auto()
    CLOUDFLARE_TOKEN_MALFORMED = auto()
    CLOUDFLARE_TOKEN_RESTRICTED = auto()
    CLOUDFLARE_PERMISSION_MISSING = auto()
    CLOUDFLARE_ZONE_UNKNOWN = auto()
    CLOUDFLARE_SAAS_NOT_ENABLED = auto()
    CLOUDFLARE_FORBIDDEN = auto()
    CLOUDFLARE_REFUSED = auto()
    CLOUDFLARE_NOT_FOUND = auto()
    CLOUDFLARE_DUPLICATE = auto()
    CLOUDFLARE_ERROR = auto()
    CLOUDFLARE_UNAVAILABLE = auto()
    CLOUDFLARE_RATE_LIMITED = auto()
    BUDGET_SPENT = auto()
    DATABASE_UNAVAILABLE = auto()
    NOT_READY = auto()
    SHUTTING_DOWN = auto()
    INTERNAL_ERROR = auto()


class NameplateError(Exception):
    """Base of all errors that carry a stable code."""

    code: ErrorCode = ErrorCode.INTERNAL_ERROR

    def __init__(self, detail: str, *, code: ErrorCode | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class InvalidInput(NameplateError):
    """The input is invalid. `field` is a JSON pointer into the body, `parameter` a name."""

    code = ErrorCode.INVALID_INPUT

    def __init__(
        self,
        detail: str,
        *,
        code: ErrorCode | None = None,
        field: str | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.field = field
        self.parameter = parameter


class InvalidHostname(InvalidInput):
    """The text is not a hostname that can be served."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail, code=code, field="/hostname")


class AlsoInvalid(InvalidInput):
    """A name in `also` is repeated, or is not one of the same registrable domain."""

    code = ErrorCode.ALSO_INVALID


class RedirectInvalid(InvalidInput):
    """The hostname cannot redirect there."""

    code = ErrorCode.REDIRECT_INVALID
    place = "/redirect_to"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, field=self.place)


class PlanNotAvailable(InvalidInput):
    """The plan does not exist here, or does not suit the hostname."""

    code = ErrorCode.PLAN_NOT_AVAILABLE

    def __init__(self, detail: str) -> None:
        super().__init__(detail, field="/plan")


class OptionNotAvailable(InvalidInput):
    """An option is not available with this plan, hostname or zone."""

    code = ErrorCode.OPTION_NOT_AVAILABLE

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, field=field)


class NotFound(NameplateError):
    """Not found, or not visible to the caller."""

    code = ErrorCode.NOT_FOUND


class Conflict(NameplateError):
    """Valid in itself, but in conflict with what exists. `field` is a JSON pointer."""

    code = ErrorCode.CONFLICT
    field: str | None = None


class HostnameTaken(Conflict):
    """Another tenant has the name, its sibling, or the wildcard that covers it.

    The error does not say which tenant.
    """

    code = ErrorCode.HOSTNAME_TAKEN
    field = "/hostname"

    def __init__(self, name: str, *, in_the_way: str, covers: bool = False) -> None:
        reason = f", and {name} would share its object at Cloudflare"
        if covers:
            reason = f" and covers {name}"
        elif in_the_way == name:
            reason = ""
        super().__init__(
            f"{in_the_way} belongs to another tenant{reason}. {name} can be added once "
            f"{in_the_way} is removed; until then, choose another name."
        )


class AlreadyExists(Conflict):
    """The tenant has the name already, with other settings. `fields` are JSON pointers."""

    code = ErrorCode.ALREADY_EXISTS

    def __init__(self, name: str, custom_hostname_id: str, fields: Sequence[str]) -> None:
        differing = ", ".join(f"`{each}`" for each in fields)
        super().__init__(
            f"This tenant has {name} already, as {custom_hostname_id}, and {differing} differ. "
            f"Change it with PATCH /v1/custom-hostnames/{custom_hostname_id}."
        )
        self.custom_hostname_id = custom_hostname_id
        self.fields = tuple(fields)


class SiblingDiffers(Conflict):
    """The name shares its object with another name, and asks for different settings of it."""

    code = ErrorCode.SHARED_OBJECT_DIFFERS

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class ProofRequired(Conflict):
    """The name was another tenant's, its DNS may still point here, and nothing can prove it."""

    code = ErrorCode.PROOF_REQUIRED


class StillDeleting(Conflict):
    """The name's former record is being deleted. `retry_after` is in seconds."""

    code = ErrorCode.STILL_DELETING
    retry_after: ClassVar[int] = 10


class FilterTooBroad(NameplateError):
    """A list would have to read too many rows that its filter leaves out."""

    code = ErrorCode.FILTER_TOO_BROAD


class FeedExpired(NameplateError):
    """Events that the caller has not read were removed, because their retention is over."""

    code = ErrorCode.FEED_EXPIRED


class PreconditionFailed(NameplateError):
    """If-Match names a revision that is no longer the current one."""

    code = ErrorCode.PRECONDITION_FAILED


class Unauthenticated(NameplateError):
    """The API key is missing, unknown, revoked or expired."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(NameplateError):
    """The key is valid, but its scope does not reach this far."""

    code = ErrorCode.FORBIDDEN


class TenantBoundKey(Forbidden):
    """The key is bound to one tenant, and what was asked for lies outside of what that may do.

    `field` is a JSON pointer into the body, `parameter` a name.
    """

    code = ErrorCode.TENANT_BOUND_KEY

    def __init__(
        self, detail: str, *, field: str | None = None, parameter: str | None = None
    ) -> None:
        super().__init__(detail)
        self.field = field
        self.parameter = parameter


class RateLimited(NameplateError):
    """The API key has used up its requests. There is another one in `retry_after` seconds."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, *, retry_after: float) -> None:
        super().__init__(
            "This API key sent too many requests. Try again after `Retry-After`; the header "
            "`RateLimit-Policy` says how many are allowed."
        )
        self.retry_after = retry_after


class WebhookRefused(NameplateError):
    """The URL of a webhook endpoint may not be called."""

    code = ErrorCode.ADDRESS_NOT_ALLOWED


class NotReady(NameplateError):
    """Something that this process cannot work without is missing."""

    code = ErrorCode.NOT_READY


class DatabaseUnavailable(NameplateError):
    """Postgres does not answer, or has no connection to spare."""

    code = ErrorCode.DATABASE_UNAVAILABLE
    retry_after: ClassVar[int] = 2


class CloudflareError(NameplateError):
    """Base of the errors that a call to Cloudflare can end with."""

    code = ErrorCode.CLOUDFLARE_ERROR


class CloudflareUnavailable(CloudflareError):
    """Transient: time-out, cut connection, 5xx, or an answer that is not Cloudflare's envelope."""

    code = ErrorCode.CLOUDFLARE_UNAVAILABLE
    retry_after: float | None = None


class CloudflareRateLimited(CloudflareUnavailable):
    """429. `retry_after` is the wait in seconds that the answer asks for."""

    code = ErrorCode.CLOUDFLARE_RATE_LIMITED

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BudgetSpent(CloudflareUnavailable):
    """The call was not made. There may be a call to spare in `retry_after` seconds."""

    code = ErrorCode.BUDGET_SPENT

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class CloudflareUnauthorized(CloudflareError):
    """The token or the zone is at fault, not any hostname. A 401 raises this class itself."""

    code = ErrorCode.CLOUDFLARE_UNAUTHORIZED


class CloudflareTokenMalformed(CloudflareUnauthorized):
    """400 with 6003 or 1001: what was sent as a token is not well-formed."""

    code = ErrorCode.CLOUDFLARE_TOKEN_MALFORMED


class CloudflareTokenRestricted(CloudflareUnauthorized):
    """403 with 9109: the token expired, was revoked, or is not for calls from this address."""

    code = ErrorCode.CLOUDFLARE_TOKEN_RESTRICTED


class CloudflarePermissionMissing(CloudflareUnauthorized):
    """403 with 10000: a valid token that lacks the permission for this call."""

    code = ErrorCode.CLOUDFLARE_PERMISSION_MISSING


class CloudflareZoneUnknown(CloudflareUnauthorized):
    """7000 or 7003: Cloudflare has no such zone, or not for this token."""

    code = ErrorCode.CLOUDFLARE_ZONE_UNKNOWN


class CloudflareNotEnabled(CloudflareUnauthorized):
    """1404, or 1456 for the fallback origin: Cloudflare for SaaS is not enabled on the zone."""

    code = ErrorCode.CLOUDFLARE_SAAS_NOT_ENABLED


class CloudflareForbidden(CloudflareUnauthorized):
    """403 without a known code. It may be about this one call."""

    code = ErrorCode.CLOUDFLARE_FORBIDDEN


class CloudflareNotFound(CloudflareError):
    """404 with code 1436."""

    code = ErrorCode.CLOUDFLARE_NOT_FOUND


class CloudflareDuplicate(CloudflareError):
    """409 with code 1406: the zone already has the name."""

    code = ErrorCode.CLOUDFLARE_DUPLICATE


class CloudflareRefused(CloudflareError):
    """A permanent refusal. `cloudflare_code` is Cloudflare's own number."""

    code = ErrorCode.CLOUDFLARE_REFUSED

    def __init__(self, detail: str, *, cloudflare_code: int) -> None:
        super().__init__(detail)
        self.cloudflare_code = cloudflare_code
