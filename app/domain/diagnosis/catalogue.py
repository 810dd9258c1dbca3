"""Every code of the diagnosis: its severity, and its sentence for the tenant. Pure.

docs/diagnosis.md lists the same codes with the way out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from app.domain.custom_hostname import RecordKey
from app.domain.diagnosis.finding import Finding, RecordChange, Severity

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


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

    # Whether the domain can be asked at all.
    COULD_NOT_CHECK = (
        "could_not_check",
        WARNING,
        "DNS could not be asked about {name} just now ({why}). This says nothing about its "
        "records; check again in a minute.",
    )
    DOMAIN_NOT_REGISTERED = (
        "domain_not_registered",
        ERROR,
        "The domain {domain} does not exist. Register it, renew it, or correct the spelling of "
        "{name}.",
    )
    SERVERS_SILENT = (
        "servers_silent",
        ERROR,
        "None of the name servers of {domain} answers ({servers}). Check at the registrar that "
        "these are the name servers of the DNS provider, and that they run.",
    )
    ZONE_NOT_SERVED = (
        "zone_not_served",
        ERROR,
        "The name servers of {domain} ({servers}) do not hold its zone. Add the domain at the DNS "
        "provider, or enter the right name servers at the registrar.",
    )
    SERVERS_FAIL = (
        "servers_fail",
        ERROR,
        "The name servers of {domain} ({servers}) answer with SERVFAIL. The DNS provider has to "
        "repair the zone.",
    )
    DOMAIN_UNRESOLVABLE = (
        "domain_unresolvable",
        ERROR,
        "Resolvers get no usable answer from the name servers of {domain} (SERVFAIL). Check at the "
        "registrar that the name servers are right, and at the DNS provider that the zone exists.",
    )
    DNSSEC_BOGUS = (
        "dnssec_bogus",
        ERROR,
        "The DNSSEC signatures of {domain} are not valid, so most resolvers refuse its records. "
        "Correct the DS record at the registrar, or turn DNSSEC off there.",
    )
    SERVER_SILENT = (
        "server_silent",
        WARNING,
        "Some name servers of {domain} did not answer: {servers}. Visitors and certificate "
        "authorities may be sent to them.",
    )
    SERVERS_DISAGREE = (
        "servers_disagree",
        WARNING,
        "The name servers of {domain} disagree: {wrong} do not show the right record for {name}, "
        "while {right} do. If this lasts longer than an hour, the DNS provider has to update them.",
    )

    # TXT records for ownership and certificate.
    TXT_MISSING = (
        "txt_missing",
        ERROR,
        "There is no TXT record at {name}. Add one with the host {host} and the value {value}.",
    )
    TXT_WRONG = (
        "txt_wrong",
        ERROR,
        "The TXT record at {name} has another value: {found}. Change it to {value}.",
    )
    TXT_VALUE_MISSING = (
        "txt_value_missing",
        ERROR,
        "{name} needs a further TXT record. Keep the one that is there, and add one with the host "
        "{host} and the value {value}.",
    )
    TXT_QUOTED = (
        "txt_quoted",
        ERROR,
        "The value of the TXT record at {name} has quotation marks in it. Enter it without them: "
        "{value}.",
    )
    TXT_SPACED = (
        "txt_spaced",
        ERROR,
        "The value of the TXT record at {name} has white space in it. Enter it without spaces and "
        "line ends: {value}.",
    )
    TXT_SURROUNDED = (
        "txt_surrounded",
        ERROR,
        "The TXT record at {name} has more than the value in its value: {found}. Enter {value} "
        "alone.",
    )
    TXT_SPLIT = (
        "txt_split",
        ERROR,
        "The value at {name} is spread over several TXT records. Remove them, and add one with the "
        "whole value {value}.",
    )
    TXT_BEHIND_CNAME = (
        "txt_behind_cname",
        ERROR,
        "A CNAME record at {name} points at {found}, so a TXT record there is not seen. Remove the "
        "CNAME record, and add a TXT record with the value {value}.",
    )
    TXT_OTHER_VALUES = (
        "txt_other_values",
        INFO,
        "{name} has the right TXT value, and others beside it. They do no harm.",
    )
    RECORD_DOUBLED = (
        "record_doubled",
        ERROR,
        "The {type} record stands at {found_at}, because {provider} appends the domain to what is "
        "entered. Change its host to {host}.",
    )
    RECORD_MISPLACED = (
        "record_misplaced",
        ERROR,
        "The {type} record stands at {found_at} instead of {name}: the domain is in it twice. Most "
        "DNS providers append the domain by themselves, so change its host to {host}.",
    )
    RECORD_AT_HOSTNAME = (
        "record_at_hostname",
        ERROR,
        "The {type} record stands at {found_at}, but belongs at {name}. Change its host to {host}.",
    )
    RECORD_NOT_CHECKED = (
        "record_not_checked",
        WARNING,
        "The {type} record at {name} could not be checked ({why}). Check again in a minute.",
    )

    # The delegation of the certificate's validation.
    DELEGATION_MISSING = (
        "delegation_missing",
        ERROR,
        "There is no CNAME record at {name}. Add one with the host {host} and the value {value}.",
    )
    DELEGATION_OTHER_ZONE = (
        "delegation_other_zone",
        ERROR,
        "The CNAME record at {name} delegates to another zone at Cloudflare: {found}. Change its "
        "value to {value}.",
    )
    DELEGATION_WRONG = (
        "delegation_wrong",
        ERROR,
        "The CNAME record at {name} points at {found}. Change its value to {value}.",
    )
    DELEGATION_BLOCKED = (
        "delegation_blocked",
        ERROR,
        "A TXT record stands at {name}, where a CNAME record belongs. Remove the TXT record, and "
        "add a CNAME record with the value {value}.",
    )
    DELEGATION_BESIDE_TXT = (
        "delegation_beside_txt",
        ERROR,
        "A TXT record stands beside the CNAME record at {name}, which hides the CNAME record from "
        "the certificate authority. Remove the TXT record {found}.",
    )

    # The name is proxied in the tenant's own zone at Cloudflare.
    PROXIED = (
        "proxied",
        INFO,
        "{name} is proxied in its own zone at Cloudflare, so its record is not visible from "
        "outside. It may stay like this.",
    )
    PROXIED_UNPROVEN = (
        "proxied_unproven",
        WARNING,
        "{name} is proxied in its own zone at Cloudflare. Its CNAME record may be right, but "
        "cannot be seen. If the hostname does not become active, turn the proxy off for this "
        "record (grey cloud).",
    )
    PROXIED_BLOCKS = (
        "proxied_blocks",
        ERROR,
        "{name} is proxied in its own zone at Cloudflare, which keeps the hostname from being "
        "validated. Its CNAME record may be right: turn the proxy off for it (grey cloud).",
    )

    # Where the name points.
    NOT_SWITCHED_YET = (
        "not_switched_yet",
        INFO,
        "{name} does not point at {target} yet. Wait with this change until the hostname and its "
        "certificate are active.",
    )
    CNAME_MISSING = (
        "cname_missing",
        ERROR,
        "There is no record at {name}. Add a CNAME record with the host {host} and the value "
        "{target}.",
    )
    CNAME_TARGET_DOUBLED = (
        "cname_target_doubled",
        ERROR,
        "The CNAME record at {name} points at {found}: the DNS provider appended the domain to its "
        "value. Enter the value with a dot at the end: {target}.",
    )
    CNAME_TO_ITSELF = (
        "cname_to_itself",
        ERROR,
        "The CNAME record at {name} leads back to itself. Change its value to {target}.",
    )
    CNAME_TO_FALLBACK_ORIGIN = (
        "cname_to_fallback_origin",
        ERROR,
        "The CNAME record at {name} points at {found}, which is only for internal use. Change its "
        "value to {target}.",
    )
    CNAME_TO_PROVIDER_ZONE = (
        "cname_to_provider_zone",
        ERROR,
        "The CNAME record at {name} points at {found}, whose first part is missing. Change its "
        "value to {target}.",
    )
    CNAME_MISSPELT = (
        "cname_misspelt",
        ERROR,
        "The CNAME record at {name} points at {found}, which looks like a misspelling. Change its "
        "value to {target}.",
    )
    CNAME_AT_OTHER_SERVICE = (
        "cname_at_other_service",
        ERROR,
        "The CNAME record at {name} still points at {service} ({found}). Change its value to "
        "{target}.",
    )
    CNAME_ELSEWHERE = (
        "cname_elsewhere",
        ERROR,
        "The CNAME record at {name} points at {found}. Change its value to {target}.",
    )
    ADDRESS_BESIDE_CNAME = (
        "address_beside_cname",
        ERROR,
        "The {type} record {address} stands beside the CNAME record at {name}. Remove it: a name "
        "with a CNAME record must have no other record.",
    )
    ADDRESS_INSTEAD_OF_CNAME = (
        "address_instead_of_cname",
        ERROR,
        "{name} has address records ({found}) instead of a CNAME record. Remove them, and add a "
        "CNAME record with the host {host} and the value {target}.",
    )
    STRAY_ADDRESS = (
        "stray_address",
        ERROR,
        "{name} points at the right place, and at {address} as well. Remove the {type} record "
        "{address}.",
    )
    ROUTING_UNCLEAR = (
        "routing_unclear",
        WARNING,
        "It is unclear where {name} points. DNS shows: {seen}. Check again in a minute.",
    )

    # The apex of a zone, where a CNAME record is not possible.
    APEX_ADDRESS_MISSING = (
        "apex_address_missing",
        ERROR,
        "There is no record at {name}. Add an {type} record with the host {host} and the value "
        "{value}.",
    )
    APEX_ADDRESS_WRONG = (
        "apex_address_wrong",
        ERROR,
        "{name} points at {found}. Replace these address records by an {type} record with the "
        "value {value}.",
    )
    APEX_ALIAS_MISSING = (
        "apex_alias_missing",
        ERROR,
        "There is no record at {name}. At {provider}, add a record of type {type} with the host "
        "{host} and the value {target}.",
    )
    APEX_ALIAS_WRONG = (
        "apex_alias_wrong",
        ERROR,
        "{name} has address records ({found}). At {provider}, replace them by a record of type "
        "{type} with the host {host} and the value {target}.",
    )
    APEX_IMPOSSIBLE = (
        "apex_impossible",
        ERROR,
        "{name} cannot point at {target}: it is the domain itself, and {provider} has no record "
        "for this. Use a name such as www.{name} instead, or move the DNS to a provider with ALIAS "
        "records.",
    )
    APEX_MISSING = (
        "apex_missing",
        ERROR,
        "There is no record at {name}. It is the domain itself, where a CNAME record is not "
        "possible: add an ALIAS or ANAME record with the value {target}.",
    )
    APEX_WRONG = (
        "apex_wrong",
        ERROR,
        "{name} has address records ({found}). It is the domain itself, where a CNAME record is "
        "not possible: replace them by an ALIAS or ANAME record with the value {target}.",
    )
    CNAME_AT_APEX = (
        "cname_at_apex",
        WARNING,
        "{name} is the domain itself, where a CNAME record hides all other records, such as those "
        "for mail. Replace it by an ALIAS or ANAME record, or use a name such as www.{name}.",
    )
    CNAME_AT_APEX_ALIAS = (
        "cname_at_apex_alias",
        WARNING,
        "{name} is the domain itself, where a CNAME record hides all other records, such as those "
        "for mail. At {provider}, use a record of type {type} instead.",
    )

    # Whether a certificate authority may issue.
    CAA_FORBIDS = (
        "caa_forbids",
        ERROR,
        "The CAA records at {place} do not allow the certificate to be issued by {authorities}. "
        "Add this record: {line}",
    )
    CAA_AT_CNAME_FORBIDS = (
        "caa_at_cname_forbids",
        ERROR,
        "The CAA records at {place}, where {name} leads, do not allow the certificate to be issued "
        "by {authorities}. Only the owner of {place} can change them. The record to add there: "
        "{line}",
    )
    CAA_CRITICAL = (
        "caa_critical",
        ERROR,
        "The CAA record {found} at {place} is marked as critical, and certificate authorities do "
        "not know its tag, so they refuse. Remove it.",
    )
    CAA_LIMITS = (
        "caa_limits",
        WARNING,
        "The CAA records at {place} do not allow {authorities}, which Cloudflare may choose for "
        "the certificate. To allow it, add this record: {line}",
    )
    CAA_BOUND = (
        "caa_bound",
        WARNING,
        "The CAA record {found} at {place} allows only one account or method at the certificate "
        "authority. If no certificate is issued, remove what stands after the semicolon.",
    )
    CAA_NOT_ANSWERED = (
        "caa_not_answered",
        WARNING,
        "The question for CAA records at {place} got no usable answer ({why}). Certificate "
        "authorities refuse to issue while this lasts.",
    )

    # When a change is seen.
    RESOLVER_OUTDATED = (
        "resolver_outdated",
        INFO,
        "The name servers of {domain} show the right record for {name}. Some resolvers still give "
        "the old one, until {until} at the latest.",
    )
    RESOLVER_REMEMBERS_ABSENCE = (
        "resolver_remembers_absence",
        INFO,
        "The name servers of {domain} show the right record for {name}. Some resolvers still "
        "remember that there was none, often for an hour.",
    )
    CHANGE_TAKES_LONG = (
        "change_takes_long",
        INFO,
        "The record at {name} may be cached for long: a change made now is seen everywhere only by "
        "{until}.",
    )


def finding(
    code: Code,
    *,
    about: RecordKey | None = None,
    change: RecordChange | None = None,
    **params: str,
) -> Finding:
    """Make a finding with its code's severity."""
    return Finding(code=code, severity=code.severity, params=params, change=change, about=about)


def message(found: Finding) -> str:
    """Return the finding as a sentence in plain English."""
    return Code(found.code).sentence.format_map(found.params)
