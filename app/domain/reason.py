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

    PROOF_AWAITED = (
        "proof_awaited",
        WaitingOn.TENANT,
        (
            "Control of this name has to be proved: another tenant had it here before, its DNS "
            "points here already or gave no certain answer, or every name is proved. Add the TXT "
            "record; nothing is created before. Or ask for the name again once its DNS leads "
            "elsewhere."
        ),
    )
    NEVER_PROVED = (
        "never_proved",
        WaitingOn.TENANT,
        (
            "The TXT record that proves control of the name did not come within two weeks. "
            "Refresh the hostname to try again."
        ),
    )
    NAME_HELD = (
        "name_held",
        WaitingOn.OPERATOR,
        (
            "Another hostname has this name now, or the name that shares its object. Remove this "
            "hostname, or the other one; then the proof counts."
        ),
    )
    CREATING = (
        "creating",
        WaitingOn.CLOUDFLARE,
        "The custom hostname is being created at Cloudflare.",
    )
    CLOUDFLARE_UNREACHABLE = (
        "cloudflare_unreachable",
        WaitingOn.CLOUDFLARE,
        "Cloudflare cannot be reached. Nameplate retries the creation until Cloudflare answers.",
    )
    CLOUDFLARE_UNAUTHORIZED = (
        "cloudflare_unauthorized",
        WaitingOn.OPERATOR,
        (
            "Cloudflare rejects the zone's API token. The creation continues once Cloudflare "
            "accepts the token."
        ),
    )
    CLOUDFLARE_TOKEN_MALFORMED = (
        "cloudflare_token_malformed",
        WaitingOn.OPERATOR,
        (
            "The zone's API token is malformed: it may be a global API key, or cut off when it was "
            "pasted. The creation continues once the zone has a valid API token."
        ),
    )
    CLOUDFLARE_TOKEN_RESTRICTED = (
        "cloudflare_token_restricted",
        WaitingOn.OPERATOR,
        (
            "The zone's API token has expired, was revoked, or is not allowed from this service's "
            "address. The creation continues once Cloudflare accepts the token."
        ),
    )
    CLOUDFLARE_PERMISSION_MISSING = (
        "cloudflare_permission_missing",
        WaitingOn.OPERATOR,
        (
            "The zone's API token lacks a permission. Get the zone to see which one. The creation "
            "continues once the token has it."
        ),
    )
    CLOUDFLARE_ZONE_UNKNOWN = (
        "cloudflare_zone_unknown",
        WaitingOn.OPERATOR,
        (
            "Cloudflare has no zone with this id, or the token cannot access it. Correct the "
            "zone's id."
        ),
    )
    CLOUDFLARE_SAAS_NOT_ENABLED = (
        "cloudflare_saas_not_enabled",
        WaitingOn.OPERATOR,
        (
            "Cloudflare for SaaS is not enabled on the zone. Enable it in Cloudflare's dashboard; "
            "the creation then continues."
        ),
    )
    CREATION_QUEUED = (
        "creation_queued",
        WaitingOn.CLOUDFLARE,
        (
            "Cloudflare limits how fast custom hostnames can be created. This one is waiting in "
            "the queue."
        ),
    )
    ZONE_PAUSED = (
        "zone_paused",
        WaitingOn.OPERATOR,
        "Work on this zone is paused. Get the zone to see why.",
    )
    PREPARING_RECORDS = (
        "preparing_records",
        WaitingOn.CLOUDFLARE,
        (
            "Cloudflare is still preparing the validation tokens. The list of records is not "
            "complete yet."
        ),
    )
    OWNERSHIP_TXT_MISSING = (
        "ownership_txt_missing",
        WaitingOn.TENANT,
        "Add the TXT record that proves ownership of the hostname.",
    )
    OWNERSHIP_TXT_WRONG = (
        "ownership_txt_wrong",
        WaitingOn.TENANT,
        (
            "The TXT record that proves ownership of the hostname has the wrong value. Change it "
            "to the value in `records`."
        ),
    )
    CERTIFICATE_TXT_MISSING = (
        "certificate_txt_missing",
        WaitingOn.TENANT,
        "Add the TXT records at _acme-challenge that the certificate authority requires.",
    )
    CERTIFICATE_TXT_WRONG = (
        "certificate_txt_wrong",
        WaitingOn.TENANT,
        (
            "A TXT value that the certificate authority requires is missing at _acme-challenge. "
            "Add it."
        ),
    )
    OWNERSHIP_HTTP_AWAITED = (
        "ownership_http_awaited",
        WaitingOn.TENANT,
        "Serve the ownership token at its URL. Cloudflare has not fetched it yet.",
    )
    CERTIFICATE_HTTP_AWAITED = (
        "certificate_http_awaited",
        WaitingOn.TENANT,
        "Serve the certificate token at its URL. The certificate authority has not fetched it yet.",
    )
    CERTIFICATE_EMAIL_AWAITED = (
        "certificate_email_awaited",
        WaitingOn.TENANT,
        "Follow the link in the email that the certificate authority sent.",
    )
    DELEGATION_MISSING = (
        "delegation_missing",
        WaitingOn.TENANT,
        (
            "Add the CNAME record at _acme-challenge. It delegates certificate validation to "
            "Cloudflare."
        ),
    )
    DELEGATION_WRONG = (
        "delegation_wrong",
        WaitingOn.TENANT,
        (
            "The CNAME record at _acme-challenge points elsewhere. Change it to the value in "
            "`records`."
        ),
    )
    AWAITING_CNAME = (
        "awaiting_cname",
        WaitingOn.TENANT,
        "Point the hostname at the CNAME target.",
    )
    CNAME_ELSEWHERE = (
        "cname_elsewhere",
        WaitingOn.TENANT,
        "The hostname's DNS points elsewhere. Point it at the CNAME target.",
    )
    CAA_FORBIDS_ISSUANCE = (
        "caa_forbids_issuance",
        WaitingOn.TENANT,
        (
            "The domain's CAA records forbid the certificate authority to issue. Cloudflare's "
            "error says where. Add a CAA record there that allows it (letsencrypt.org, pki.goog "
            "for Google, ssl.com), or remove the CAA records."
        ),
    )
    PROXIED_ELSEWHERE = (
        "proxied_elsewhere",
        WaitingOn.TENANT,
        (
            "Another Cloudflare zone proxies the hostname. Point its record at the CNAME target, "
            "or turn proxying off there."
        ),
    )
    PROXIED_UNPROVEN = (
        "proxied_unproven",
        WaitingOn.TENANT,
        (
            "The hostname is proxied in its own zone at Cloudflare, which hides its record. The "
            "record may be right; Cloudflare has yet to confirm it. If it has another value than "
            "in `records`, change it. If the hostname does not get further, turn the proxy off for "
            "this record (grey cloud)."
        ),
    )
    PROXIED_UNCONFIRMED = (
        "proxied_unconfirmed",
        WaitingOn.CLOUDFLARE,
        (
            "Both statuses are active. The hostname is proxied in its own zone at Cloudflare, "
            "which hides its record. If the record has the value in `records`, there is nothing to "
            "do: the hostname counts as live once Cloudflare has kept it active for an hour."
        ),
    )
    DNSSEC_BROKEN = (
        "dnssec_broken",
        WaitingOn.TENANT,
        "The domain's DNSSEC is broken. Fix its DS and DNSKEY records, or turn DNSSEC off.",
    )
    AUTHORITY_DNS_FAILED = (
        "authority_dns_failed",
        WaitingOn.TENANT,
        (
            "The certificate authority gets no answer from the domain's name servers. They must "
            "answer queries from everywhere, including CAA queries."
        ),
    )
    AUTHORITY_RATE_LIMITED = (
        "authority_rate_limited",
        WaitingOn.CLOUDFLARE,
        (
            "The certificate authority's rate limit for this domain is used up for now. The "
            "certificate will be requested again."
        ),
    )
    CERTIFICATE_RISK_BLOCKED = (
        "certificate_risk_blocked",
        WaitingOn.OPERATOR,
        (
            "The certificate authority refuses this domain, most often because it is reported as a "
            "risk. Contact Cloudflare support."
        ),
    )
    FALLBACK_ORIGIN_NOT_READY = (
        "fallback_origin_not_ready",
        WaitingOn.OPERATOR,
        "The zone has no active fallback origin. Hostnames validate only once it has one.",
    )
    HOSTNAME_CHECK_PENDING = (
        "hostname_check_pending",
        WaitingOn.CLOUDFLARE,
        "The records are in place. Cloudflare has not seen them yet.",
    )
    CERTIFICATE_CHECK_PENDING = (
        "certificate_check_pending",
        WaitingOn.CLOUDFLARE,
        "The records are in place. The certificate authority has not seen them yet.",
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
        (
            "Cloudflare has stopped trying to issue the certificate for now. Refresh to make it "
            "try again."
        ),
    )
    CERTIFICATE_EXPIRED = (
        "certificate_expired",
        WaitingOn.CLOUDFLARE,
        "The certificate is no longer valid and has not been replaced yet.",
    )
    VALIDATION_LAPSED = (
        "validation_lapsed",
        WaitingOn.TENANT,
        (
            "Cloudflare has stopped checking for the records. Add them, and Nameplate asks "
            "Cloudflare to check again."
        ),
    )
    NEVER_SET_UP = (
        "never_set_up",
        WaitingOn.TENANT,
        (
            "The hostname was removed at Cloudflare because its records were not added in time. "
            "Refresh to continue."
        ),
    )
    MOVED_AWAY = (
        "moved_away",
        WaitingOn.TENANT,
        "The hostname no longer points here. Point it at the CNAME target to bring it back.",
    )
    RENEWAL_TOKENS_MISSING = (
        "renewal_tokens_missing",
        WaitingOn.TENANT,
        (
            "The hostname is live. To renew its certificate, add the records at _acme-challenge, "
            "or answer the certificate authority's email."
        ),
    )
    CNAME_CHECK_PENDING = (
        "cname_check_pending",
        WaitingOn.NOBODY,
        "Both statuses are active. Nameplate is checking where the hostname's DNS points.",
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
            "A recent DNS check found the hostname pointing elsewhere. Nameplate checks again "
            "before it changes the state."
        ),
    )
    HOSTNAME_BLOCKED = (
        "hostname_blocked",
        WaitingOn.OPERATOR,
        "Cloudflare blocks this hostname. Contact Cloudflare support, then refresh.",
    )
    ZONE_HELD = (
        "zone_held",
        WaitingOn.TENANT,
        (
            "The domain's own Cloudflare zone has a zone hold. Its owner must release the hold; "
            "then refresh."
        ),
    )
    ALREADY_IN_ZONE = (
        "already_in_zone",
        WaitingOn.OPERATOR,
        (
            "The zone already has a custom hostname with this name that was not created here. "
            "Adopt it, or remove it at Cloudflare and refresh."
        ),
    )
    MISSING_AT_CLOUDFLARE = (
        "missing_at_cloudflare",
        WaitingOn.OPERATOR,
        "The custom hostname was removed at Cloudflare. Refresh to create it again.",
    )
    QUOTA_EXCEEDED = (
        "quota_exceeded",
        WaitingOn.OPERATOR,
        "The zone's quota of custom hostnames is used up. Raise the quota, then refresh.",
    )
    HOSTNAME_REFUSED = (
        "hostname_refused",
        WaitingOn.OPERATOR,
        "Cloudflare does not accept a custom hostname with this name. Remove it and add another.",
    )
    HOSTNAME_TOO_LONG = (
        "hostname_too_long",
        WaitingOn.OPERATOR,
        "The name is too long for a certificate. Remove it and add a shorter one.",
    )
    WILDCARD_UNSUPPORTED = (
        "wildcard_unsupported",
        WaitingOn.OPERATOR,
        (
            "Cloudflare does not support a wildcard of this name. Remove it and add the names one "
            "by one."
        ),
    )
    CUSTOM_ORIGIN_UNAVAILABLE = (
        "custom_origin_unavailable",
        WaitingOn.OPERATOR,
        (
            "The Cloudflare plan does not include custom origins. Set `custom_origin_server` to "
            "null with PATCH, or have the plan extended and refresh."
        ),
    )
    CUSTOM_ORIGIN_REFUSED = (
        "custom_origin_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare rejected this custom origin: it must be a proxied record of the zone. Add "
            "the record and refresh, or change `custom_origin_server` with PATCH."
        ),
    )
    CERTIFICATE_AUTHORITY_UNAVAILABLE = (
        "certificate_authority_unavailable",
        WaitingOn.OPERATOR,
        (
            "The Cloudflare plan does not allow this certificate authority to be chosen. Change "
            "`certificate_authority` with PATCH, or set it to null."
        ),
    )
    EDIT_REFUSED = (
        "edit_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare refused the last change and keeps the previous settings; "
            "`cloudflare.errors` says why. Change it with PATCH, or fix the cause and refresh."
        ),
    )
    REFRESH_REFUSED = (
        "refresh_refused",
        WaitingOn.OPERATOR,
        (
            "Cloudflare refuses to check again because of an option chosen here; "
            "`cloudflare.errors` says why. Change the option with PATCH, or have the Cloudflare "
            "plan extended and refresh."
        ),
    )
    REFUSED_BY_CLOUDFLARE = (
        "refused_by_cloudflare",
        WaitingOn.OPERATOR,
        "Cloudflare refused to create this custom hostname; `cloudflare.errors` says why.",
    )
    REMOVAL_REQUESTED = (
        "removal_requested",
        WaitingOn.CLOUDFLARE,
        "The custom hostname is being removed at Cloudflare.",
    )
    REMOVED = (
        "removed",
        WaitingOn.NOBODY,
        "The custom hostname was removed.",
    )
    DANGLING = (
        "dangling",
        WaitingOn.TENANT,
        (
            "The hostname was removed, but its DNS still points here. Remove that DNS record: who "
            "controls it controls where visitors of the name arrive."
        ),
    )
    REMOVED_BUT_STILL_IN_ZONE = (
        "removed_but_still_in_zone",
        WaitingOn.OPERATOR,
        (
            "Removed here. The zone has another custom hostname with this name that was not "
            "created here and still receives traffic. Remove it at Cloudflare if it should not."
        ),
    )
