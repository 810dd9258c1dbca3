"""Every error that Nameplate raises, as one tree. `web/errors` maps them to HTTP statuses.

NameplateError
├── InvalidInput                 what was sent cannot be accepted as it is
│   ├── InvalidHostname
│   └── PlanNotAvailable / OptionNotAvailable
├── NotFound
├── Conflict                     valid, but it conflicts with what exists now
│   └── HostnameTaken / SiblingDiffers / ProofRequired / StillDeleting
├── PreconditionFailed           If-Match names another revision
├── Unauthenticated / Forbidden
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

from typing import ClassVar


class NameplateError(Exception):
    """Base of all errors that carry a stable code."""

    code: str = "internal_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class InvalidInput(NameplateError):
    """The input is invalid. `field` is a JSON pointer into the body, `parameter` a name."""

    code = "invalid_input"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        field: str | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.field = field
        self.parameter = parameter


class InvalidHostname(InvalidInput):
    """The text is not a hostname that can be served."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail, code=code, field="/hostname")


class PlanNotAvailable(InvalidInput):
    """The plan does not exist here, or does not suit the hostname."""

    code = "plan_not_available"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, field="/plan")


class OptionNotAvailable(InvalidInput):
    """An option is not available with this plan, hostname or zone."""

    code = "option_not_available"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, field=field)


class NotFound(NameplateError):
    """Not found, or not visible to the caller."""

    code = "not_found"


class Conflict(NameplateError):
    """Valid in itself, but in conflict with what exists."""

    code = "conflict"


class HostnameTaken(Conflict):
    """Another tenant has the name or its sibling. The error does not say which tenant."""

    code = "hostname_taken"
    field = "/hostname"

    def __init__(self, name: str, *, in_the_way: str) -> None:
        shared = "" if in_the_way == name else f", and {name} would share its object at Cloudflare"
        super().__init__(
            f"{in_the_way} belongs to another tenant{shared}. {name} can be added once "
            f"{in_the_way} is removed; until then, choose another name."
        )


class SiblingDiffers(Conflict):
    """The name shares its object with another name, and asks for different settings of it."""

    code = "shared_object_differs"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class ProofRequired(Conflict):
    """The name belonged to another tenant and its DNS still points here."""

    code = "proof_required"


class StillDeleting(Conflict):
    """The name's former record is being deleted. `retry_after` is in seconds."""

    code = "still_deleting"
    retry_after: ClassVar[int] = 10


class PreconditionFailed(NameplateError):
    """If-Match names a revision that is no longer the current one."""

    code = "precondition_failed"


class Unauthenticated(NameplateError):
    """The API key is missing, unknown or revoked."""

    code = "unauthenticated"


class Forbidden(NameplateError):
    """The key is valid, but its scope does not reach this far."""

    code = "forbidden"


class WebhookRefused(NameplateError):
    """The URL of a webhook endpoint may not be called."""

    code = "address_not_allowed"


class NotReady(NameplateError):
    """Something that this process cannot work without is missing."""

    code = "not_ready"


class DatabaseUnavailable(NameplateError):
    """Postgres does not answer, or has no connection to spare."""

    code = "database_unavailable"
    retry_after: ClassVar[int] = 2


class CloudflareError(NameplateError):
    """Base of the errors that a call to Cloudflare can end with."""

    code = "cloudflare_error"


class CloudflareUnavailable(CloudflareError):
    """Transient: time-out, cut connection, 5xx, or an answer that is not Cloudflare's envelope."""

    code = "cloudflare_unavailable"
    retry_after: float | None = None


class CloudflareRateLimited(CloudflareUnavailable):
    """429. `retry_after` is the wait in seconds that the answer asks for."""

    code = "cloudflare_rate_limited"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BudgetSpent(CloudflareUnavailable):
    """The call was not made. There may be a call to spare in `retry_after` seconds."""

    code = "budget_spent"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class CloudflareUnauthorized(CloudflareError):
    """The token or the zone is at fault, not any hostname. A 401 raises this class itself."""

    code = "cloudflare_unauthorized"


class CloudflareTokenMalformed(CloudflareUnauthorized):
    """400 with 6003 or 1001: what was sent as a token is not well-formed."""

    code = "cloudflare_token_malformed"


class CloudflareTokenRestricted(CloudflareUnauthorized):
    """403 with 9109: the token expired, was revoked, or is not for calls from this address."""

    code = "cloudflare_token_restricted"


class CloudflarePermissionMissing(CloudflareUnauthorized):
    """403 with 10000: a valid token that lacks the permission for this call."""

    code = "cloudflare_permission_missing"


class CloudflareZoneUnknown(CloudflareUnauthorized):
    """7000 or 7003: Cloudflare has no such zone, or not for this token."""

    code = "cloudflare_zone_unknown"


class CloudflareNotEnabled(CloudflareUnauthorized):
    """1404, or 1456 for the fallback origin: Cloudflare for SaaS is not enabled on the zone."""

    code = "cloudflare_saas_not_enabled"


class CloudflareForbidden(CloudflareUnauthorized):
    """403 without a known code. It may be about this one call."""

    code = "cloudflare_forbidden"


class CloudflareNotFound(CloudflareError):
    """404 with code 1436."""

    code = "cloudflare_not_found"


class CloudflareDuplicate(CloudflareError):
    """409 with code 1406: the zone already has the name."""

    code = "cloudflare_duplicate"


class CloudflareRefused(CloudflareError):
    """A permanent refusal. `cloudflare_code` is Cloudflare's own number."""

    code = "cloudflare_refused"

    def __init__(self, detail: str, *, cloudflare_code: int) -> None:
        super().__init__(detail)
        self.cloudflare_code = cloudflare_code
