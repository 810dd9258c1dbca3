"""Why a hostname is in its state: a stable code, who has to act next, and a message."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class WaitingOn(StrEnum):
    """Who has to act next."""

    TENANT = "tenant"
    CLOUDFLARE = "cloudflare"
    OPERATOR = "operator"
    NOBODY = "nobody"


class Reason(StrEnum):
    """A stable code for machines and metrics."""

    waiting_on: WaitingOn
    message: str
    """For people to read. It holds no ids and no times, so it stays the same from check to
    check."""

    def __new__(cls, code: str, waiting_on: WaitingOn, message: str) -> Self:
        """Make a member whose value is `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.waiting_on = waiting_on
        member.message = message
        return member

    @classmethod
    def of(cls, code: str) -> Reason:
        """Return the reason with this code."""
        return cls.__members__[code.upper()]

    CREATING = (
        "creating",
        WaitingOn.CLOUDFLARE,
        "The custom hostname is being created at Cloudflare.",
    )
    CLOUDFLARE_UNREACHABLE = (
        "cloudflare_unreachable",
        WaitingOn.CLOUDFLARE,
        "Cloudflare could not be asked; the creation is tried again until it answers.",
    )
    CLOUDFLARE_UNAUTHORIZED = (
        "cloudflare_unauthorized",
        WaitingOn.OPERATOR,
        "Cloudflare does not accept the zone's API token; once it does, the creation goes on.",
    )
    CLOUDFLARE_TOKEN_MALFORMED = (
        "cloudflare_token_malformed",
        WaitingOn.OPERATOR,
        (
            "The zone's API token is not one: a global API key, or cut off when it was pasted. The "
            "creation goes on once the zone has an API token."
        ),
    )
    CLOUDFLARE_TOKEN_RESTRICTED = (
        "cloudflare_token_restricted",
        WaitingOn.OPERATOR,
        (
            "The zone's API token expired, was revoked, or is not allowed from this service's "
            "address. The creation goes on once Cloudflare accepts the token."
        ),
    )
    CLOUDFLARE_PERMISSION_MISSING = (
        "cloudflare_permission_missing",
        WaitingOn.OPERATOR,
        (
            "The zone's API token lacks a permission; the zone names it. The creation goes on once "
            "the token has it."
        ),
    )
    CLOUDFLARE_ZONE_UNKNOWN = (
        "cloudflare_zone_unknown",
        WaitingOn.OPERATOR,
        "Cloudflare has no zone of this id, or not for this token; correct the zone's id.",
    )
    CLOUDFLARE_SAAS_NOT_ENABLED = (
        "cloudflare_saas_not_enabled",
        WaitingOn.OPERATOR,
        (
            "Cloudflare for SaaS is not enabled on the zone. Enable it in Cloudflare's dashboard; "
            "the creation then goes on."
        ),
    )
    CREATION_QUEUED = (
        "creation_queued",
        WaitingOn.CLOUDFLARE,
        "Cloudflare takes only so many creations at a time; this one waits for its turn.",
    )
    ZONE_PAUSED = (
        "zone_paused",
        WaitingOn.OPERATOR,
        "Work on this zone is paused; the zone says why.",
    )
    PREPARING_RECORDS = (
        "preparing_records",
        WaitingOn.CLOUDFLARE,
        "Cloudflare is still preparing the tokens; the list of records is not complete yet.",
    )
    OWNERSHIP_TXT_MISSING = (
        "ownership_txt_missing",
        WaitingOn.TENANT,
        "Add the TXT record that proves the hostname.",
    )
    OWNERSHIP_TXT_WRONG = (
        "ownership_txt_wrong",
        WaitingOn.TENANT,
        "The TXT record that proves the hostname has another value than the one asked for.",
    )
    CERTIFICATE_TXT_MISSING = (
        "certificate_txt_missing",
        WaitingOn.TENANT,
        "Add the TXT records at _acme-challenge that the certificate authority asks for.",
    )
    CERTIFICATE_TXT_WRONG = (
        "certificate_txt_wrong",
        WaitingOn.TENANT,
        "The TXT record at _acme-challenge lacks a value the certificate authority asks for.",
    )
    OWNERSHIP_HTTP_AWAITED = (
        "ownership_http_awaited",
        WaitingOn.TENANT,
        "Serve the ownership token at its URL; Cloudflare has yet to fetch it.",
    )
    CERTIFICATE_HTTP_AWAITED = (
        "certificate_http_awaited",
        WaitingOn.TENANT,
        "Serve the certificate token at its URL; the certificate authority has yet to fetch it.",
    )
    CERTIFICATE_EMAIL_AWAITED = (
        "certificate_email_awaited",
        WaitingOn.TENANT,
        "Follow the link in the e-mail that the certificate authority sent.",
    )
    DELEGATION_MISSING = (
        "delegation_missing",
        WaitingOn.TENANT,
        "Add the CNAME at _acme-challenge, which hands the certificate's proofs to Cloudflare.",
    )
    DELEGATION_WRONG = (
        "delegation_wrong",
        WaitingOn.TENANT,
        "The CNAME at _acme-challenge leads elsewhere; give it the target asked for.",
    )
    AWAITING_CNAME = (
        "awaiting_cname",
        WaitingOn.TENANT,
        "Point the hostname at the CNAME target.",
    )
    CNAME_ELSEWHERE = (
        "cname_elsewhere",
        WaitingOn.TENANT,
        "The hostname's DNS leads elsewhere; point it at the CNAME target.",
    )
    CAA_FORBIDS_ISSUANCE = (
        "caa_forbids_issuance",
        WaitingOn.TENANT,
        (
            "CAA records of the domain forbid the certificate authority to issue. Cloudflare's "
            "error names where; add one there that allows it (letsencrypt.org, pki.goog for "
            "Google, ssl.com), or remove them."
        ),
    )
    PROXIED_ELSEWHERE = (
        "proxied_elsewhere",
        WaitingOn.TENANT,
        (
            "Another Cloudflare zone proxies the hostname; point its record at the CNAME target, "
            "or turn proxying off there."
        ),
    )
    DNSSEC_BROKEN = (
        "dnssec_broken",
        WaitingOn.TENANT,
        "The domain's DNSSEC does not hold; mend its DS and DNSKEY records, or turn DNSSEC off.",
    )
    AUTHORITY_DNS_FAILED = (
        "authority_dns_failed",
        WaitingOn.TENANT,
        (
            "The certificate authority gets no answer from the domain's name servers; they must "
            "answer from everywhere, for CAA too."
        ),
    )
    AUTHORITY_RATE_LIMITED = (
        "authority_rate_limited",
        WaitingOn.CLOUDFLARE,
        "The certificate authority issues no more for this domain for now; it is asked again.",
    )
    CERTIFICATE_RISK_BLOCKED = (
        "certificate_risk_blocked",
        WaitingOn.OPERATOR,
        (
            "The certificate authority refuses this domain, most often as a reported risk; ask "
            "Cloudflare's support."
        ),
    )
    FALLBACK_ORIGIN_NOT_READY = (
        "fallback_origin_not_ready",
        WaitingOn.OPERATOR,
        "The zone has no active fallback origin; until it has, no hostname validates.",
    )
    HOSTNAME_CHECK_PENDING = (
        "hostname_check_pending",
        WaitingOn.CLOUDFLARE,
        "The records are there; Cloudflare has yet to see them.",
    )
    CERTIFICATE_CHECK_PENDING = (
        "certificate_check_pending",
        WaitingOn.CLOUDFLARE,
        "The records are there; the certificate authority has yet to see them.",
    )
    CERTIFICATE_ISSUING = (
        "certificate_issuing",
        WaitingOn.CLOUDFLARE,
        "The certificate is being issued.",
    )
    CERTIFICATE_DEPLOYING = (
        "certificate_deploying",
        WaitingOn.CLOUDFLARE,
        "The certificate is being deployed.",
    )
    CERTIFICATE_TIMED_OUT = (
        "certificate_timed_out",
        WaitingOn.CLOUDFLARE,
        "Cloudflare gave up on the certificate for now; a refresh makes it try again.",
    )
    CERTIFICATE_EXPIRED = (
        "certificate_expired",
        WaitingOn.CLOUDFLARE,
        "The certificate has ended and no new one is there yet.",
    )
    VALIDATION_LAPSED = (
        "validation_lapsed",
        WaitingOn.TENANT,
        "Cloudflare stopped looking for the records; once they are there it is asked again.",
    )
    NEVER_SET_UP = (
        "never_set_up",
        WaitingOn.TENANT,
        "Nobody added its records for so long that it was removed at Cloudflare; refresh to go on.",
    )
    MOVED_AWAY = (
        "moved_away",
        WaitingOn.TENANT,
        "The hostname no longer points here; point it at the CNAME target to bring it back.",
    )
    RENEWAL_TOKENS_MISSING = (
        "renewal_tokens_missing",
        WaitingOn.TENANT,
        (
            "The hostname is live; its certificate is renewed once the records at _acme-challenge "
            "are there, or the certificate authority's e-mail is answered."
        ),
    )
    CNAME_CHECK_PENDING = (
        "cname_check_pending",
        WaitingOn.NOBODY,
        "Both statuses are active; where the hostname's DNS leads is being verified.",
    )
    LIVE = (
        "live",
        WaitingOn.NOBODY,
        "The hostname is live.",
    )
    CNAME_MISMATCH = (
        "cname_mismatch",
        WaitingOn.TENANT,
        (
            "The hostname's DNS was just seen leading elsewhere; it is looked at again before "
            "anything is concluded."
        ),
    )
    HOSTNAME_BLOCKED = (
        "hostname_blocked",
        WaitingOn.OPERATOR,
        "Cloudflare blocks this hostname; ask Cloudflare's support, then refresh.",
    )
    ZONE_HELD = (
        "zone_held",
        WaitingOn.TENANT,
        "The domain's own Cloudflare zone is held; its owner must release the hold, then refresh.",
    )
    ALREADY_IN_ZONE = (
        "already_in_zone",
        WaitingOn.OPERATOR,
        (
            "The zone has a custom hostname of this name that was not made here. Adopt it, or "
            "remove it at Cloudflare and refresh."
        ),
    )
    MISSING_AT_CLOUDFLARE = (
        "missing_at_cloudflare",
        WaitingOn.OPERATOR,
        "The custom hostname was removed at Cloudflare; a refresh makes it again.",
    )
    QUOTA_EXCEEDED = (
        "quota_exceeded",
        WaitingOn.OPERATOR,
        "The zone's quota of custom hostnames is used up; raise it, then refresh.",
    )
    HOSTNAME_REFUSED = (
        "hostname_refused",
        WaitingOn.OPERATOR,
        "Cloudflare accepts no custom hostname of this name; remove it and add another.",
    )
    HOSTNAME_TOO_LONG = (
        "hostname_too_long",
        WaitingOn.OPERATOR,
        "The name is too long for a certificate; remove it and add a shorter one.",
    )
    WILDCARD_UNSUPPORTED = (
        "wildcard_unsupported",
        WaitingOn.OPERATOR,
        "Cloudflare makes no wildcard of this name; remove it and add the names one by one.",
    )
    CUSTOM_ORIGIN_UNAVAILABLE = (
        "custom_origin_unavailable",
        WaitingOn.OPERATOR,
        (
            "The Cloudflare plan has no custom origins; take `custom_origin_server` out by PATCH, "
            "or have the plan extended and refresh."
        ),
    )
    CUSTOM_ORIGIN_REFUSED = (
        "custom_origin_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare does not take this custom origin: it has to be a proxied record of the "
            "zone. Add the record and refresh, or change `custom_origin_server` by PATCH."
        ),
    )
    CERTIFICATE_AUTHORITY_UNAVAILABLE = (
        "certificate_authority_unavailable",
        WaitingOn.OPERATOR,
        (
            "The Cloudflare plan does not let this certificate authority be chosen; change or "
            "reset `certificate_authority` by PATCH."
        ),
    )
    EDIT_REFUSED = (
        "edit_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare refused the last change and keeps the former settings; its own words say "
            "why. Change it by PATCH, or mend the cause and refresh."
        ),
    )
    REFRESH_REFUSED = (
        "refresh_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare refuses to look again at what was chosen here; its own words say why. "
            "Change the option by PATCH, or have the Cloudflare plan extended and refresh."
        ),
    )
    REFUSED_BY_CLOUDFLARE = (
        "refused_by_cloudflare",
        WaitingOn.OPERATOR,
        "Cloudflare refused to create this custom hostname; its own words say why.",
    )
    REMOVAL_REQUESTED = (
        "removal_requested",
        WaitingOn.CLOUDFLARE,
        "The custom hostname is being removed at Cloudflare.",
    )
    REMOVED = (
        "removed",
        WaitingOn.NOBODY,
        "The custom hostname is gone.",
    )
    REMOVED_BUT_STILL_IN_ZONE = (
        "removed_but_still_in_zone",
        WaitingOn.OPERATOR,
        (
            "Removed here. The zone has another custom hostname of this name, which was not made "
            "here and still takes traffic; remove it at Cloudflare if it should not."
        ),
    )
