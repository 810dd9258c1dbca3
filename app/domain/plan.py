"""What each plan asks Cloudflare for, and which DNS records it asks of the tenant, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.domain.custom_hostname import (
    CustomHostname,
    DnsRecord,
    Plan,
    Purpose,
    RecordKey,
    RecordStatus,
    State,
    When,
)
from app.domain.errors import PlanNotAvailable
from app.domain.hostname import MAX_LENGTH, Hostname
from app.domain.reason import Reason

PRE_VALIDATION_WARNING = (
    "Switch the CNAME only after both the hostname status and the certificate status are active: "
    "earlier, visitors would meet errors until they are."
)


LONGEST_COMMON_NAME = 64
LONGEST_PROVABLE = MAX_LENGTH - len("_cf-custom-hostname.")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The `ssl` object of a creation: domain control validation by `method`, always `type` dv."""

    method: str
    wildcard: bool
    cloudflare_branding: bool = False
    """A certificate's common name has at most 64 characters; longer names need this (1469)."""
    type: str = "dv"


def parse_plan(text: str, hostname: Hostname) -> Plan:
    """Read the caller's choice.

    Raises:
        PlanNotAvailable: naming what to choose instead.
    """
    try:
        plan = Plan(text)
    except ValueError:
        available = ", ".join(f"`{plan}`" for plan in Plan)
        raise PlanNotAvailable(f"No plan {text[:64]!r} here; choose one of {available}.") from None
    if hostname.is_wildcard and plan is Plan.SIMPLE:
        raise PlanNotAvailable(
            "A wildcard cannot be validated over HTTP, which plan `simple` does; "
            "choose `zero_downtime`."
        )
    if plan is Plan.ZERO_DOWNTIME and len(hostname.base) > LONGEST_PROVABLE:
        raise PlanNotAvailable(
            "The name is too long for its proofs, which stand at names even longer; choose "
            "`simple`."
        )
    return plan


def is_real_time(plan: Plan) -> bool:
    """Whether the routing record itself proves the hostname, so that it may be switched at once."""
    return plan is Plan.SIMPLE


def certificate(plan: Plan, hostname: Hostname) -> Certificate:
    """What to ask Cloudflare for."""
    method = "http" if plan is Plan.SIMPLE else "txt"
    return Certificate(
        method=method,
        wildcard=hostname.is_wildcard,
        cloudflare_branding=len(hostname.base) > LONGEST_COMMON_NAME,
    )


def wanted_records(record: CustomHostname) -> tuple[DnsRecord, ...]:
    """The records to add, in the order to add them, each with what DNS last said of it."""
    wanted = (*_before_the_switch(record), _routing(record))
    return tuple(replace(r, status=record.dns.statuses.get(r.key, r.status)) for r in wanted)


def found_records(record: CustomHostname) -> frozenset[RecordKey]:
    """The wanted records that DNS has."""
    return frozenset(r.key for r in wanted_records(record) if r.status is RecordStatus.FOUND)


def records_complete(record: CustomHostname) -> bool:
    """Whether `wanted_records` is the whole list: Cloudflare prepares tokens some seconds late."""
    if is_real_time(record.plan):
        return True
    tokens = [r for r in record.cloudflare.validation_records if r.txt_name and r.txt_value]
    needed = 2 if record.hostname.is_wildcard else 1
    return record.cloudflare.ownership is not None and len(tokens) >= needed


def warning(plan: Plan) -> str | None:
    """What the tenant must be told besides the records."""
    return None if is_real_time(plan) else PRE_VALIDATION_WARNING


def switch_safe(record: CustomHostname, *, both_active: bool) -> bool:
    """Whether the tenant may point the CNAME here now."""
    if record.state in {State.PENDING, State.FAILED, State.DELETING, State.DELETED}:
        return False
    if record.reason is Reason.FALLBACK_ORIGIN_NOT_READY:
        return False
    return both_active or is_real_time(record.plan)


def _before_the_switch(record: CustomHostname) -> tuple[DnsRecord, ...]:
    if is_real_time(record.plan):
        return ()
    ownership = record.cloudflare.ownership
    proof = (
        [DnsRecord("TXT", ownership[0], ownership[1], Purpose.OWNERSHIP, When.BEFORE)]
        if ownership
        else []
    )
    tokens = [
        DnsRecord("TXT", token.txt_name, token.txt_value, Purpose.CERTIFICATE, When.BEFORE)
        for token in record.cloudflare.validation_records
        if token.txt_name and token.txt_value
    ]
    return (*proof, *tokens)


def _routing(record: CustomHostname) -> DnsRecord:
    return DnsRecord(
        "CNAME", record.hostname.name, record.zone.cname_target, Purpose.ROUTING, When.WITH
    )
