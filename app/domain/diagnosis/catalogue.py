"""Every code of the diagnosis: its severity, and its sentence for the tenant. Pure.

docs/diagnosis.md lists the same codes with the way out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from app.domain.custom_hostname import RecordKey
from app.domain.diagnosis.finding import Finding, RecordChange, Severity

Entry = tuple[str, Severity, str]


def _error(code: str, sentence: str) -> Entry:
    return code, Severity.ERROR, sentence


def _warning(code: str, sentence: str) -> Entry:
    return code, Severity.WARNING, sentence


def _info(code: str, sentence: str) -> Entry:
    return code, Severity.INFO, sentence


class Code(StrEnum):
    """A stable code. Its sentence names the parameters in braces."""

    severity: Severity
    sentence: str

    def __new__(cls, code: str, severity: Severity, sentence: str) -> Self:
        """Make a member whose value is `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.severity = severity
        member.sentence = sentence
        return member

    @classmethod
    def of(cls, code: str) -> Code:
        """Return the member with this code."""
        return cls.__members__[code.upper()]

    # Whether the domain can be asked at all.
    COULD_NOT_CHECK = _warning(
        "could_not_check",
        "DNS could not be asked about {name} just now ({why}). This says nothing about its "
        "records; check again in a minute.",
    )
    DOMAIN_NOT_REGISTERED = _error(
        "domain_not_registered",
        "The domain {domain} does not exist. Register it, renew it, or correct the spelling of "
        "{name}.",
    )
    SERVERS_SILENT = _error(
        "servers_silent",
        "None of the name servers of {domain} gives a usable answer ({servers}). Check at the "
        "registrar that these are the name servers of the DNS provider, and that they run.",
    )
    ZONE_NOT_SERVED = _error(
        "zone_not_served",
        "The name servers of {domain} ({servers}) do not hold its zone. Add the domain at the DNS "
        "provider, or enter the right name servers at the registrar.",
    )
    SERVERS_FAIL = _error(
        "servers_fail",
        "The name servers of {domain} ({servers}) answer with SERVFAIL. The DNS provider has to "
        "repair the zone.",
    )
    DOMAIN_UNRESOLVABLE = _error(
        "domain_unresolvable",
        "Resolvers get no usable answer from the name servers of {domain} (SERVFAIL). Check at the "
        "registrar that the name servers are right, and at the DNS provider that the zone exists.",
    )
    DNSSEC_BOGUS = _error(
        "dnssec_bogus",
        "The DNSSEC signatures of {domain} are not valid, so most resolvers refuse its records. "
        "Correct the DS record at the registrar, or turn DNSSEC off there.",
    )
    SERVER_SILENT = _warning(
        "server_silent",
        "Some name servers of {domain} did not answer: {servers}. Visitors and certificate "
        "authorities may be sent to them.",
    )
    SERVERS_DISAGREE = _warning(
        "servers_disagree",
        "Only some name servers of {domain} show the right record for {name}. Right: {right}. "
        "Not right: {wrong}. If this lasts longer than an hour, the DNS provider has to update "
        "them.",
    )

    # TXT records for ownership and certificate.
    TXT_MISSING = _error(
        "txt_missing",
        "There is no TXT record at {name}. Add one with the value {value} (host field: {host}).",
    )
    TXT_WRONG = _error(
        "txt_wrong",
        "The TXT record at {name} has another value: {found}. Put {value} in its place.",
    )
    TXT_VALUE_MISSING = _error(
        "txt_value_missing",
        "{name} needs a further TXT record. Keep the one that is there, and add one with the "
        "value {value} (host field: {host}).",
    )
    TXT_QUOTED = _error(
        "txt_quoted",
        "The value of the TXT record at {name} has quotation marks in it. Enter {value} "
        "without them.",
    )
    TXT_SPACED = _error(
        "txt_spaced",
        "The value of the TXT record at {name} has white space in it. Enter {value} without "
        "spaces and line ends.",
    )
    TXT_SURROUNDED = _error(
        "txt_surrounded",
        "The TXT record at {name} has more than the value in its value: {found}. Enter {value} "
        "alone.",
    )
    TXT_SPLIT = _error(
        "txt_split",
        "The value at {name} is spread over several TXT records. Put the whole value {value} "
        "into one record, and remove the others.",
    )
    TXT_BEHIND_CNAME = _error(
        "txt_behind_cname",
        "A CNAME record at {name} points at {found}, so a TXT record there is not seen. Remove "
        "the CNAME record, and put a TXT record with the value {value} in its place.",
    )
    TXT_OTHER_VALUES = _info(
        "txt_other_values",
        "{name} has the right TXT value, and others beside it. They do no harm.",
    )
    RECORD_DOUBLED = _error(
        "record_doubled",
        "The {type} record stands at {found_at}, because {provider} appends the domain to what "
        "is entered. Correct its name (host field: {host}).",
    )
    RECORD_MISPLACED = _error(
        "record_misplaced",
        "The {type} record stands at {found_at} instead of {name}: the domain is in it twice. "
        "Most DNS providers append the domain by themselves. Correct the name of the record "
        "(host field: {host}).",
    )
    RECORD_AT_HOSTNAME = _error(
        "record_at_hostname",
        "The {type} record stands at {found_at}, but belongs at {name}. Correct its name (host "
        "field: {host}).",
    )
    RECORD_NOT_CHECKED = _warning(
        "record_not_checked",
        "The {type} record at {name} could not be checked ({why}). Check again in a minute.",
    )

    # The delegation of the certificate's validation.
    DELEGATION_MISSING = _error(
        "delegation_missing",
        "There is no CNAME record at {name}. Add one with the value {value} (host field: {host}).",
    )
    DELEGATION_OTHER_ZONE = _error(
        "delegation_other_zone",
        "The CNAME record at {name} delegates to another zone at Cloudflare: {found}. Change its "
        "value to {value}.",
    )
    DELEGATION_WRONG = _error(
        "delegation_wrong",
        "The CNAME record at {name} points at {found}. Change its value to {value}.",
    )
    DELEGATION_BLOCKED = _error(
        "delegation_blocked",
        "A TXT record stands at {name}, where a CNAME record belongs. Remove the TXT record, and "
        "add a CNAME record with the value {value}.",
    )
    DELEGATION_BESIDE_TXT = _error(
        "delegation_beside_txt",
        "A TXT record stands beside the CNAME record at {name}, which hides the CNAME record from "
        "the certificate authority. Remove the TXT record {found}.",
    )

    # The name is proxied in the tenant's own zone at Cloudflare.
    PROXIED = _info(
        "proxied",
        "{name} is proxied in its own zone at Cloudflare, so its record is not visible from "
        "outside. It may stay like this.",
    )
    PROXIED_UNPROVEN = _warning(
        "proxied_unproven",
        "{name} is proxied in its own zone at Cloudflare. Its CNAME record may be right, but "
        "cannot be seen. If the hostname does not become active, turn the proxy off for this "
        "record (grey cloud).",
    )
    PROXIED_BLOCKS = _error(
        "proxied_blocks",
        "{name} is proxied in its own zone at Cloudflare, which keeps the hostname from being "
        "validated. Its CNAME record may be right: turn the proxy off for it (grey cloud).",
    )

    # Where the name points.
    NOT_SWITCHED_YET = _info(
        "not_switched_yet",
        "{name} does not point at {target} yet. Wait with this change until the hostname and its "
        "certificate are active.",
    )
    OTHER_RECORDS_FIRST = _info(
        "other_records_first",
        "{name} does not point at {target} yet. Add the other records first, then change this one.",
    )
    CNAME_MISSING = _error(
        "cname_missing",
        "There is no record at {name}. Add a CNAME record with the value {target} (host field: "
        "{host}).",
    )
    CNAME_TARGET_DOUBLED = _error(
        "cname_target_doubled",
        "The CNAME record at {name} points at {found}: the DNS provider appended the domain to "
        "its value. Enter {target} as its value, with the dot at the end.",
    )
    CNAME_TO_ITSELF = _error(
        "cname_to_itself",
        "The CNAME record at {name} leads back to itself. Change its value to {target}.",
    )
    CNAME_TO_FALLBACK_ORIGIN = _error(
        "cname_to_fallback_origin",
        "The CNAME record at {name} points at {found}, which is only for internal use. Change its "
        "value to {target}.",
    )
    CNAME_TO_PROVIDER_ZONE = _error(
        "cname_to_provider_zone",
        "The CNAME record at {name} points at {found}, whose first part is missing. Change its "
        "value to {target}.",
    )
    CNAME_MISSPELT = _error(
        "cname_misspelt",
        "The CNAME record at {name} points at {found}, which looks like a misspelling. Change its "
        "value to {target}.",
    )
    CNAME_AT_OTHER_SERVICE = _error(
        "cname_at_other_service",
        "The CNAME record at {name} still points at {service} ({found}). Change its value to "
        "{target}.",
    )
    CNAME_ELSEWHERE = _error(
        "cname_elsewhere",
        "The CNAME record at {name} points at {found}. Change its value to {target}.",
    )
    WILDCARD_ELSEWHERE = _error(
        "wildcard_elsewhere",
        "{name} has no record of its own, and a wildcard record of the domain sends it to "
        "{found}. Add a CNAME record with the value {target} (host field: {host}).",
    )
    ADDRESS_BESIDE_CNAME = _error(
        "address_beside_cname",
        "The {type} record {address} stands beside the CNAME record at {name}. Remove it: a name "
        "with a CNAME record must have no other record.",
    )
    ADDRESS_INSTEAD_OF_CNAME = _error(
        "address_instead_of_cname",
        "{name} has address records ({found}) instead of a CNAME record. Remove them, and add "
        "a CNAME record with the value {target} (host field: {host}).",
    )
    STRAY_ADDRESS = _error(
        "stray_address",
        "{name} points at the right place, and at {address} as well. Remove the {type} record "
        "{address}.",
    )
    ROUTING_UNCLEAR = _warning(
        "routing_unclear",
        "It is unclear where {name} points. DNS shows: {seen}. Check again in a minute.",
    )

    # The apex of a zone, where a CNAME record is not possible.
    APEX_ADDRESS_MISSING = _error(
        "apex_address_missing",
        "There is no record at {name}. Add an {type} record with the value {value} (host "
        "field: {host}).",
    )
    APEX_ADDRESS_WRONG = _error(
        "apex_address_wrong",
        "{name} points at {found}. Replace these address records by an {type} record with the "
        "value {value}.",
    )
    APEX_ALIAS_MISSING = _error(
        "apex_alias_missing",
        "There is no record at {name}. At {provider}, add a record of type {type} with the "
        "value {target} (host field: {host}).",
    )
    APEX_ALIAS_WRONG = _error(
        "apex_alias_wrong",
        "{name} has address records ({found}). At {provider}, replace them by a record of type "
        "{type} with the value {target} (host field: {host}).",
    )
    APEX_IMPOSSIBLE = _error(
        "apex_impossible",
        "{name} cannot point at {target}: it is the domain itself, and {provider} has no record "
        "for this. Use a name such as www.{name} instead, or move the DNS to a provider with ALIAS "
        "records.",
    )
    APEX_MISSING = _error(
        "apex_missing",
        "There is no record at {name}. It is the domain itself, where a CNAME record is not "
        "possible: add an ALIAS or ANAME record with the value {target}.",
    )
    APEX_WRONG = _error(
        "apex_wrong",
        "{name} has address records ({found}). It is the domain itself, where a CNAME record is "
        "not possible: replace them by an ALIAS or ANAME record with the value {target}.",
    )
    CNAME_AT_APEX = _warning(
        "cname_at_apex",
        "{name} is the domain itself, where a CNAME record hides all other records, such as those "
        "for mail. Replace it by an ALIAS or ANAME record, or use a name such as www.{name}.",
    )
    CNAME_AT_APEX_ALIAS = _warning(
        "cname_at_apex_alias",
        "{name} is the domain itself, where a CNAME record hides all other records, such as those "
        "for mail. At {provider}, use a record of type {type} instead.",
    )

    # Whether a certificate authority may issue.
    CAA_FORBIDS = _error(
        "caa_forbids",
        "The CAA records at {place} do not let {authorities} issue the certificate. Add this "
        "record: {line}",
    )
    CAA_AT_CNAME_FORBIDS = _error(
        "caa_at_cname_forbids",
        "The CAA records at {place}, where {name} leads, do not let {authorities} issue the "
        "certificate. Only the owner of {place} can change them. The record to add there: "
        "{line}",
    )
    CAA_CRITICAL = _error(
        "caa_critical",
        "The CAA record {found} at {place} is marked as critical, and certificate authorities do "
        "not know its tag, so they refuse. Remove it.",
    )
    CAA_LIMITS = _warning(
        "caa_limits",
        "The CAA records at {place} do not allow all authorities that Cloudflare may choose "
        "for the certificate: {authorities} may not issue it. To allow it, add this record: "
        "{line}",
    )
    CAA_BOUND = _warning(
        "caa_bound",
        "The CAA record {found} at {place} allows only one account or method at the "
        "certificate authority. If no certificate is issued, remove what follows the first "
        "semicolon.",
    )
    CAA_NOT_ANSWERED = _warning(
        "caa_not_answered",
        "The question for CAA records at {place} got no usable answer ({why}). Certificate "
        "authorities refuse to issue while this lasts.",
    )

    # When a change is seen.
    RESOLVER_OUTDATED = _info(
        "resolver_outdated",
        "The name servers of {domain} show the right record for {name}. Some resolvers still give "
        "the old one, until {until} at the latest.",
    )
    RESOLVER_REMEMBERS_ABSENCE = _info(
        "resolver_remembers_absence",
        "The name servers of {domain} show the right record for {name}. Some resolvers still "
        "remember that there was none, often for an hour.",
    )
    CHANGE_TAKES_LONG = _info(
        "change_takes_long",
        "What stands at {name} now may be cached for long: a change made now is seen everywhere "
        "only by {until}.",
    )


def finding(
    code: Code,
    about: RecordKey | None = None,
    change: RecordChange | None = None,
    /,
    **params: str,
) -> Finding:
    """Make a finding with its code's severity."""
    return Finding(
        code=code.value, severity=code.severity, params=params, change=change, about=about
    )


def message(found: Finding) -> str:
    """Return the finding as a sentence in plain English."""
    return Code.of(found.code).sentence.format_map(found.params)
