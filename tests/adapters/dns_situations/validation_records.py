"""TXT records that prove the ownership and the certificate. The plan is to switch afterwards."""

from collections.abc import Sequence
from functools import partial

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from tests.adapters.dns_situations.situation import (
    ABSENT,
    DCV,
    ELSEWHERE,
    GODADDY,
    OLD,
    OWNER,
    SECOND_TOKEN,
    TARGET,
    TOKEN,
    Situation,
)

OWNERSHIP = f'_cf-custom-hostname.www TXT "{OWNER}"'
CHALLENGE = "_acme-challenge.www"
CERTIFICATE = f'{CHALLENGE} TXT "{TOKEN}"'
SWITCHED = f"www CNAME {TARGET}."
MANY = "\n".join(f'{CHALLENGE} TXT "{str(at) * 200}"' for at in range(8))
PROVED = partial(Situation, plan=Plan.ZERO_DOWNTIME, owner=OWNER, tokens=(TOKEN,))


def token(
    fact: str,
    domain: str,
    zone: str,
    *codes: Code,
    status: str = "wrong",
    found: Sequence[str] = (),
    found_at: Sequence[str] = (),
    facts: dict[str, str] | None = None,
) -> Situation:
    """Give a situation in which all is right but the certificate's token."""
    return PROVED(
        fact=fact,
        host=f"www.{domain}",
        zone=f"{OWNERSHIP}\n{SWITCHED}\n{zone}",
        statuses=("found", status, "found"),
        found=found,
        found_at=found_at,
        codes=codes,
        facts=facts or {},
    )


RIGHT = (
    PROVED(
        fact="both TXT records and the CNAME are there",
        host="www.allthere.com",
        zone=f"{OWNERSHIP}\n{CERTIFICATE}\n{SWITCHED}",
    ),
    token(
        "a value split into strings of one record is whole",
        "strings.com",
        f'{CHALLENGE} TXT "{TOKEN[:8]}" "{TOKEN[8:]}"',
        status="found",
    ),
    token(
        "a CNAME may lead to the TXT record",
        "ledto.com",
        f'{CHALLENGE} CNAME tokens\ntokens TXT "{TOKEN}"',
        status="found",
    ),
    token(
        "a CNAME may lead to a TXT record in another zone",
        "ledout.com",
        f"{CHALLENGE} CNAME www.ledout.com.{DCV}.",
        status="found",
    ),
    PROVED(
        fact="a zone of its own may hold the token",
        host="www.ownzone.com",
        zone=f"{OWNERSHIP}\n{SWITCHED}",
        below={CHALLENGE: f'@ TXT "{TOKEN}"'},
    ),
    PROVED(
        fact="upper case in the name of a TXT record means nothing",
        host="www.uppertxt.com",
        zone=f"{OWNERSHIP.replace('_cf-custom', '_CF-Custom')}\n{CERTIFICATE}\n{SWITCHED}",
    ),
    PROVED(
        fact="two values of a wildcard stand at one name",
        host="www.twovalues.com",
        wildcard=True,
        tokens=(TOKEN, SECOND_TOKEN),
        zone=f'{OWNERSHIP}\n{CERTIFICATE}\n{CHALLENGE} TXT "{SECOND_TOKEN}"\n{SWITCHED}',
    ),
    PROVED(
        fact="a CNAME may lead to a TXT record in a zone below the domain",
        host="www.ledbelow.com",
        zone=f"{OWNERSHIP}\n{SWITCHED}\n{CHALLENGE} CNAME {CHALLENGE}.tokens",
        below={"tokens": f'{CHALLENGE} TXT "{TOKEN}"'},
    ),
)
SITUATIONS = (
    *RIGHT,
    PROVED(
        fact="everything is there before the switch",
        host="www.beforeswitch.com",
        zone=f"{OWNERSHIP}\n{CERTIFICATE}\nwww A {OLD}",
        sees=ELSEWHERE,
        statuses=("found", "found", "wrong"),
        found=(OLD,),
        codes=(Code.NOT_SWITCHED_YET,),
    ),
    PROVED(
        fact="once both statuses are active the switch is due",
        host="www.switchdue.com",
        zone=f"{OWNERSHIP}\n{CERTIFICATE}\nwww A {OLD}",
        hostname_status="active",
        ssl_status="active",
        sees=ELSEWHERE,
        statuses=("found", "found", "wrong"),
        found=(OLD,),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME,),
    ),
    PROVED(
        fact="records that have done their work are not missed",
        host="www.donework.com",
        zone=SWITCHED,
        hostname_status="active",
        ssl_status="active",
        live=True,
        statuses=("missing", "missing", "found"),
    ),
    PROVED(
        fact="nothing at all is there yet",
        host="www.nothingyet.com",
        sees=ABSENT,
        statuses=("missing", "missing", "missing"),
        codes=(Code.TXT_MISSING, Code.TXT_MISSING, Code.NOT_SWITCHED_YET),
        facts={"host": "_cf-custom-hostname.www"},
    ),
    token("the token is missing", "notoken.com", "", Code.TXT_MISSING, status="missing"),
    token(
        "the token's name exists without TXT records",
        "tokennodata.com",
        f"{CHALLENGE} A {OLD}",
        Code.TXT_MISSING,
        status="missing",
    ),
    token(
        "the token is an old one",
        "oldtoken.com",
        f'{CHALLENGE} TXT "old"',
        Code.TXT_WRONG,
        found=("old",),
        facts={"found": "old"},
    ),
    token(
        "a token's case counts",
        "casetoken.com",
        f'{CHALLENGE} TXT "{TOKEN.upper()}"',
        Code.TXT_WRONG,
        found=(TOKEN.upper(),),
    ),
    token(
        "the token was pasted with quotation marks",
        "quoted.com",
        f'{CHALLENGE} TXT "\\"{TOKEN}\\""',
        Code.TXT_QUOTED,
        found=(f'"{TOKEN}"',),
    ),
    token(
        "the token was pasted with typographic quotation marks",
        "curly.com",
        f'{CHALLENGE} TXT "\\226\\128\\156{TOKEN}\\226\\128\\157"',
        Code.TXT_QUOTED,
        found=(f"\u201c{TOKEN}\u201d",),
    ),
    token(
        "the token has a space at its end",
        "spaced.com",
        f'{CHALLENGE} TXT "{TOKEN} "',
        Code.TXT_SPACED,
        found=(f"{TOKEN} ",),
    ),
    token(
        "the token was broken over two lines",
        "broken.com",
        f'{CHALLENGE} TXT "{TOKEN[:8]}\\010{TOKEN[8:]}"',
        Code.TXT_SPACED,
        found=(f"{TOKEN[:8]}\n{TOKEN[8:]}",),
    ),
    token(
        "the name was pasted into the value",
        "surrounded.com",
        f'{CHALLENGE} TXT "_acme-challenge={TOKEN}"',
        Code.TXT_SURROUNDED,
        found=(f"_acme-challenge={TOKEN}",),
    ),
    token(
        "the token is spread over two records",
        "spread.com",
        f'{CHALLENGE} TXT "{TOKEN[:8]}"\n{CHALLENGE} TXT "{TOKEN[8:]}"',
        Code.TXT_SPLIT,
        found=tuple(sorted((TOKEN[:8], TOKEN[8:]))),
    ),
    token(
        "other values beside the token do no harm",
        "beside.com",
        f'{CERTIFICATE}\n{CHALLENGE} TXT "old"',
        Code.TXT_OTHER_VALUES,
        status="found",
    ),
    token(
        "an answer that needs TCP is read whole",
        "truncated.com",
        f"{CERTIFICATE}\n{MANY}",
        Code.TXT_OTHER_VALUES,
        status="found",
    ),
    PROVED(
        fact="the second value of a wildcard is missing",
        host="www.onevalue.com",
        wildcard=True,
        tokens=(TOKEN, SECOND_TOKEN),
        zone=f"{OWNERSHIP}\n{CERTIFICATE}\n{SWITCHED}",
        statuses=("found", "found", "wrong", "found"),
        found=(TOKEN,),
        codes=(Code.TXT_VALUE_MISSING,),
        facts={"value": SECOND_TOKEN},
    ),
    token(
        "the token's record is empty",
        "emptytxt.com",
        f'{CHALLENGE} TXT ""',
        Code.TXT_WRONG,
        found=("",),
    ),
    token(
        "the token's record is no text",
        "bytestxt.com",
        f'{CHALLENGE} TXT "\\255\\254"',
        Code.TXT_WRONG,
        found=("\ufffd\ufffd",),
    ),
    token(
        "the old token has a TTL of days",
        "longtoken.com",
        f'{CHALLENGE} 86400 TXT "old"',
        Code.TXT_WRONG,
        Code.CHANGE_TAKES_LONG,
        found=("old",),
    ),
    PROVED(
        fact="one of a wildcard's values stands one level too deep",
        host="www.onedeep.com",
        wildcard=True,
        tokens=(TOKEN, SECOND_TOKEN),
        zone=f"{OWNERSHIP}\n{CERTIFICATE}\n{SWITCHED}\n"
        f'{CHALLENGE}.onedeep.com TXT "{SECOND_TOKEN}"',
        statuses=("found", "found", "wrong", "found"),
        found=(TOKEN,),
        codes=(Code.RECORD_MISPLACED,),
    ),
    token(
        "the token is one level too deep, and in quotation marks",
        "deepquoted.com",
        f'{CHALLENGE}.deepquoted.com TXT "\\"{TOKEN}\\""',
        Code.RECORD_MISPLACED,
        status="missing",
    ),
    token(
        "a CNAME stands where the token belongs",
        "behindcname.com",
        f"{CHALLENGE} CNAME old.host.net.",
        Code.TXT_BEHIND_CNAME,
        status="missing",
        facts={"found": "old.host.net"},
    ),
    token(
        "a CNAME leads to another value",
        "behindother.com",
        f'{CHALLENGE} CNAME tokens\ntokens TXT "old"',
        Code.TXT_BEHIND_CNAME,
        found=("old",),
    ),
    token(
        "a CNAME leads into a zone that nobody serves",
        "behindlame.com",
        f"{CHALLENGE} CNAME tokens.lamebehind.net.",
        Code.TXT_BEHIND_CNAME,
        status="unknown",
    ),
    token(
        "the token stands one level too deep",
        "deeptoken.com",
        f'{CHALLENGE}.deeptoken.com TXT "{TOKEN}"',
        Code.RECORD_MISPLACED,
        status="misplaced",
        found_at=(f"{CHALLENGE}.deeptoken.com.deeptoken.com",),
        facts={"type": "TXT", "host": CHALLENGE},
    ),
    PROVED(
        fact="the provider appended the domain to the token's name",
        host="www.appended.com",
        hosts=GODADDY,
        zone=f'{OWNERSHIP}\n{SWITCHED}\n{CHALLENGE}.appended.com TXT "{TOKEN}"',
        statuses=("found", "misplaced", "found"),
        found_at=(f"{CHALLENGE}.appended.com.appended.com",),
        codes=(Code.RECORD_DOUBLED,),
    ),
    PROVED(
        fact="the token stands at the hostname itself",
        host="www.barehost.com",
        zone=f'{OWNERSHIP}\nwww TXT "{TOKEN}"\nwww A {OLD}',
        sees=ELSEWHERE,
        statuses=("found", "missing", "wrong"),
        found=(OLD,),
        codes=(Code.RECORD_AT_HOSTNAME, Code.NOT_SWITCHED_YET),
        facts={"found_at": "www.barehost.com"},
    ),
    PROVED(
        fact="the zone that holds the token is not served",
        host="www.lametoken.com",
        zone=f"{OWNERSHIP}\n{SWITCHED}",
        below={CHALLENGE: ""},
        statuses=("found", "unknown", "found"),
        codes=(Code.RECORD_NOT_CHECKED,),
    ),
)
