"""The CNAME record at `_acme-challenge` that delegates the certificate's validation."""

from collections.abc import Sequence
from functools import partial

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from tests.adapters.dns_situations.situation import (
    CHILD,
    DCV,
    ELSEWHERE,
    GODADDY,
    LOOSE,
    OLD,
    TARGET,
    TOKEN,
    Situation,
)

CHALLENGE = "_acme-challenge.www"
DELEGATED = partial(Situation, plan=Plan.DELEGATED)


def pointing(
    fact: str,
    domain: str,
    zone: str,
    *codes: Code,
    status: str = "wrong",
    found: Sequence[str] = (),
    found_at: Sequence[str] = (),
    served: Sequence[str] = (CHILD,),
    hosts: Sequence[str] = (),
    facts: dict[str, str] | None = None,
) -> Situation:
    """Give a situation in which the hostname points at the target."""
    return DELEGATED(
        fact=fact,
        host=f"www.{domain}",
        zone=f"www CNAME {TARGET}.\n{zone}",
        served=served,
        hosts=hosts,
        statuses=(status, "found"),
        found=found,
        found_at=found_at,
        codes=codes,
        facts=facts or {},
    )


RIGHT = (
    pointing(
        "the delegation is all right",
        "delegated.com",
        f"{CHALLENGE} CNAME www.delegated.com.{DCV}.",
        status="found",
    ),
    pointing(
        "upper case in the delegation means nothing",
        "delegatedupper.com",
        f"{CHALLENGE.upper()} CNAME WWW.DelegatedUpper.com.{DCV.upper()}.",
        status="found",
    ),
    pointing(
        "the records of another name's validation do not matter",
        "delegatedother.com",
        f"{CHALLENGE} CNAME www.delegatedother.com.{DCV}.\n_acme-challenge TXT old",
        status="found",
    ),
    DELEGATED(
        fact="a zone below the domain may hold the delegation",
        host="www.eu.delegatedbelow.com",
        below={"eu": f"www CNAME {TARGET}.\n{CHALLENGE} CNAME www.eu.delegatedbelow.com.{DCV}."},
    ),
)
SITUATIONS = (
    *RIGHT,
    pointing(
        "the delegation is missing",
        "nodelegation.com",
        "",
        Code.DELEGATION_MISSING,
        status="missing",
        facts={"host": CHALLENGE},
    ),
    DELEGATED(
        fact="the delegation comes before the switch",
        host="www.delegatefirst.com",
        zone=f"www A {OLD}",
        sees=ELSEWHERE,
        statuses=("missing", "wrong"),
        found=(OLD,),
        codes=(Code.DELEGATION_MISSING, Code.OTHER_RECORDS_FIRST),
    ),
    DELEGATED(
        fact="with the delegation the switch is due",
        host="www.delegatedue.com",
        zone=f"{CHALLENGE} CNAME www.delegatedue.com.{DCV}.\nwww A {OLD}",
        sees=ELSEWHERE,
        statuses=("found", "wrong"),
        found=(OLD,),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME,),
    ),
    pointing(
        "the delegation is another zone's",
        "otheruuid.com",
        f"{CHALLENGE} CNAME www.otheruuid.com.fedcba9876543210.dcv.cloudflare.com.",
        Code.DELEGATION_OTHER_ZONE,
        found=("www.otheruuid.com.fedcba9876543210.dcv.cloudflare.com",),
    ),
    pointing(
        "the delegation is another hostname's",
        "otherhost.com",
        f"{CHALLENGE} CNAME shop.otherhost.com.{DCV}.",
        Code.DELEGATION_WRONG,
        found=(f"shop.otherhost.com.{DCV}",),
    ),
    pointing(
        "the CNAME of the validation points at the target",
        "delegatetarget.com",
        f"{CHALLENGE} CNAME {TARGET}.",
        Code.DELEGATION_WRONG,
        found=(TARGET,),
    ),
    pointing(
        "the delegation lacks its final dot in the zone file",
        "delegatenodot.com",
        f"{CHALLENGE} CNAME www.delegatenodot.com.{DCV}",
        Code.CNAME_TARGET_DOUBLED,
        found=(f"www.delegatenodot.com.{DCV}.delegatenodot.com",),
        facts={"target": f"www.delegatenodot.com.{DCV}."},
    ),
    pointing(
        "a TXT record is in the way of the delegation",
        "blocked.com",
        f'{CHALLENGE} TXT "{TOKEN}"',
        Code.DELEGATION_BLOCKED,
        status="missing",
    ),
    pointing(
        "a TXT record stands beside the delegation",
        "besidetxt.com",
        f'{CHALLENGE} CNAME www.besidetxt.com.{DCV}.\n{CHALLENGE} TXT "old"',
        Code.DELEGATION_BESIDE_TXT,
        served=(LOOSE,),
        status="found",
        facts={"found": "old"},
    ),
    pointing(
        "the delegation stands one level too deep",
        "delegatedeep.com",
        f"{CHALLENGE}.delegatedeep.com CNAME www.delegatedeep.com.{DCV}.",
        Code.RECORD_MISPLACED,
        status="misplaced",
        found_at=(f"{CHALLENGE}.delegatedeep.com.delegatedeep.com",),
    ),
    pointing(
        "the provider appended the domain to the delegation's name",
        "delegateappended.com",
        f"{CHALLENGE}.delegateappended.com CNAME www.delegateappended.com.{DCV}.",
        Code.RECORD_DOUBLED,
        hosts=GODADDY,
        status="misplaced",
        found_at=(f"{CHALLENGE}.delegateappended.com.delegateappended.com",),
        facts={"type": "CNAME", "host": CHALLENGE},
    ),
    DELEGATED(
        fact="the delegation stands at the hostname itself",
        host="www.delegatebare.com",
        zone=f"www CNAME www.delegatebare.com.{DCV}.",
        sees=ELSEWHERE,
        statuses=("missing", "wrong"),
        found=(f"www.delegatebare.com.{DCV}",),
        codes=(Code.RECORD_AT_HOSTNAME, Code.OTHER_RECORDS_FIRST),
    ),
)
