"""CAA records (RFC 8659): whether a certificate authority may issue."""

from functools import partial

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from tests.adapters.dns_situations.situation import (
    ABSENT,
    DCV,
    ELSEWHERE,
    FLATTENED,
    GOOGLE,
    LETS_ENCRYPT,
    LOOSE,
    OLD,
    OURS_LINES,
    OWNER,
    SSL_COM,
    STRICT_TARGET,
    TARGET,
    Situation,
)

WWW = f"www CNAME {TARGET}."
ALL_THREE = '@ CAA 0 issue "pki.goog"\n@ CAA 0 issue "letsencrypt.org"\n@ CAA 0 issue "ssl.com"'


def with_caa(
    fact: str,
    domain: str,
    records: str,
    *codes: Code,
    authority: str | None = None,
    ssl_status: str | None = None,
    line: str | None = None,
) -> Situation:
    """Give a situation in which the hostname points at the target."""
    return Situation(
        fact=fact,
        host=f"www.{domain}",
        zone=f"{WWW}\n{records}",
        authority=authority,
        ssl_status=ssl_status,
        codes=codes,
        facts={"line": line} if line else {},
    )


WILDCARD = partial(Situation, plan=Plan.DELEGATED, owner=OWNER)
RIGHT = (
    with_caa("all three authorities are allowed", "caaall.com", ALL_THREE),
    with_caa(
        "the chosen authority is allowed",
        "caachosen.com",
        '@ CAA 0 issue "letsencrypt.org"',
        authority=LETS_ENCRYPT,
    ),
    with_caa(
        "records without a rule on issuing forbid nothing",
        "caaiodef.com",
        '@ CAA 0 iodef "mailto:security@caaiodef.com"',
    ),
    with_caa(
        "a rule for wildcards does not bind another name",
        "caawild.com",
        '@ CAA 0 issuewild ";"',
    ),
    with_caa(
        "a rule for mail certificates does not bind a web name",
        "caamail.com",
        '@ CAA 0 issuemail ";"',
    ),
    with_caa(
        "an unknown tag that is not critical is passed over",
        "caaunknown.com",
        '@ CAA 0 tbs "unknown"',
    ),
    with_caa(
        "a known tag may be critical",
        "caacriticalknown.com",
        '@ CAA 128 issue "pki.goog"',
        authority=GOOGLE,
    ),
    with_caa(
        "parameters that bind nothing are passed over",
        "caaparameters.com",
        '@ CAA 0 issue "pki.goog; cansignhttpexchanges=yes"',
        authority=GOOGLE,
    ),
    with_caa(
        "upper case and white space mean nothing",
        "caaupper.com",
        '@ CAA 0 ISSUE " PKI.Goog "',
        authority=GOOGLE,
    ),
    with_caa(
        "a permission that is bound does not matter beside one that is not",
        "caaboundboth.com",
        '@ CAA 0 issue "pki.goog; validationmethods=dns-01"\n@ CAA 0 issue "pki.goog"',
        authority=GOOGLE,
    ),
    Situation(
        fact="the nearer parent's records decide, not the farther one's",
        host="a.b.caanearer.com",
        zone=f'a.b CNAME {TARGET}.\nb CAA 0 issue "pki.goog"\n@ CAA 0 issue ";"',
        authority=GOOGLE,
    ),
    Situation(
        fact="records of a sibling name decide nothing",
        host="www.caasibling.com",
        zone=f'{WWW}\nmail CAA 0 issue ";"',
    ),
    Situation(
        fact="the records at the target let the chosen authority issue",
        host="www.caatarget.com",
        zone=f"www CNAME {STRICT_TARGET}.",
        authority=GOOGLE,
    ),
    Situation(
        fact="the records at the target go before those of the domain",
        host="www.caatargetfirst.com",
        zone=f'www CNAME {STRICT_TARGET}.\n@ CAA 0 issue ";"',
        authority=GOOGLE,
    ),
    WILDCARD(
        fact="without a rule for wildcards, the general one holds for them",
        host="*.caageneral.com",
        zone=f"""* CNAME {TARGET}.
            {ALL_THREE}
            _cf-custom-hostname TXT "{OWNER}"
            _acme-challenge CNAME caageneral.com.{DCV}.""",
    ),
    Situation(
        fact="an apex's own records let the chosen authority issue",
        host="caaapex.com",
        zone=f'{OURS_LINES}\n@ CAA 0 issue "ssl.com"',
        authority=SSL_COM,
        sees=FLATTENED,
    ),
)
SITUATIONS = (
    *RIGHT,
    with_caa(
        "only another authority is allowed",
        "caaother.com",
        '@ CAA 0 issue "digicert.com"',
        Code.CAA_FORBIDS,
        line='caaother.com. CAA 0 issue "pki.goog" and caaother.com. CAA 0 issue '
        '"letsencrypt.org" and caaother.com. CAA 0 issue "ssl.com"',
    ),
    with_caa(
        "an empty rule forbids everybody", "caaempty.com", '@ CAA 0 issue ""', Code.CAA_FORBIDS
    ),
    with_caa(
        "a semicolon forbids everybody", "caasemicolon.com", '@ CAA 0 issue ";"', Code.CAA_FORBIDS
    ),
    with_caa(
        "some of the authorities are allowed",
        "caasome.com",
        '@ CAA 0 issue "letsencrypt.org"',
        Code.CAA_LIMITS,
    ),
    with_caa(
        "the chosen authority is not among the allowed ones",
        "caachosenother.com",
        '@ CAA 0 issue "letsencrypt.org"',
        Code.CAA_FORBIDS,
        authority=GOOGLE,
        line='caachosenother.com. CAA 0 issue "pki.goog"',
    ),
    with_caa(
        "a domain that ends like an authority's is another",
        "caalookalike.com",
        '@ CAA 0 issue "notpki.goog"\n@ CAA 0 issue "pki.goog.evil.net"',
        Code.CAA_FORBIDS,
        authority=GOOGLE,
    ),
    with_caa(
        "an unknown critical tag makes every authority refuse",
        "caacritical.com",
        f'{ALL_THREE}\n@ CAA 128 tbs "unknown"',
        Code.CAA_CRITICAL,
    ),
    with_caa(
        "the permission is bound to a method",
        "caabound.com",
        '@ CAA 0 issue "letsencrypt.org; validationmethods=dns-01"',
        Code.CAA_BOUND,
        authority=LETS_ENCRYPT,
    ),
    with_caa(
        "the permission is bound to an account",
        "caaaccount.com",
        '@ CAA 0 issue "letsencrypt.org; accounturi=https://acme.host.net/acct/1"',
        Code.CAA_BOUND,
        authority=LETS_ENCRYPT,
    ),
    with_caa(
        "with a certificate, only its renewal is at risk",
        "caarenewal.com",
        '@ CAA 0 issue ";"',
        Code.CAA_FORBIDS,
        ssl_status="active",
    ),
    Situation(
        fact="the records of a parent between the name and the domain forbid",
        host="a.b.caaparent.com",
        zone=f'a.b CNAME {TARGET}.\nb CAA 0 issue ";"\n{ALL_THREE}',
        codes=(Code.CAA_FORBIDS,),
        facts={"place": "b.caaparent.com"},
    ),
    Situation(
        fact="the records of the zone above forbid for a zone below the domain",
        host="www.eu.caaabove.com",
        zone='@ CAA 0 issue ";"',
        below={"eu": WWW},
        codes=(Code.CAA_FORBIDS,),
        facts={"place": "caaabove.com"},
    ),
    Situation(
        fact="a parent is a CNAME, whose target's records forbid",
        host="a.b.caaparentalias.com",
        zone=f"a.b CNAME {TARGET}.\nb CNAME caa.host.net.",
        codes=(Code.CAA_AT_CNAME_FORBIDS,),
        facts={"place": "caa.host.net"},
    ),
    Situation(
        fact="the records at the target allow some of the authorities",
        host="www.caatargetsome.com",
        zone=f"www CNAME {STRICT_TARGET}.",
        codes=(Code.CAA_LIMITS,),
        facts={"place": STRICT_TARGET},
    ),
    Situation(
        fact="the records at the target forbid the chosen authority",
        host="www.caatargetforbids.com",
        zone=f"www CNAME {STRICT_TARGET}.\n{ALL_THREE}",
        authority=LETS_ENCRYPT,
        codes=(Code.CAA_AT_CNAME_FORBIDS,),
        facts={"place": STRICT_TARGET},
    ),
    WILDCARD(
        fact="the rule for wildcards at the target forbids, beside one that allows the name",
        host="*.shop.caawildcard.com",
        authority=GOOGLE,
        zone=f"""shop CNAME {STRICT_TARGET}.
            *.shop CNAME {TARGET}.
            _cf-custom-hostname.shop TXT "{OWNER}"
            _acme-challenge.shop CNAME shop.caawildcard.com.{DCV}.""",
        codes=(Code.CAA_AT_CNAME_FORBIDS,),
        facts={
            "place": STRICT_TARGET,
            "line": f'{STRICT_TARGET}. CAA 0 issuewild "pki.goog"',
        },
    ),
    WILDCARD(
        fact="the base name of a wildcard certificate needs the general rule",
        host="*.caabase.com",
        authority=GOOGLE,
        zone=f"""* CNAME {TARGET}.
            @ CAA 0 issue ";"
            @ CAA 0 issuewild "pki.goog"
            _cf-custom-hostname TXT "{OWNER}"
            _acme-challenge CNAME caabase.com.{DCV}.""",
        codes=(Code.CAA_FORBIDS,),
        facts={"line": 'caabase.com. CAA 0 issue "pki.goog"'},
    ),
    Situation(
        fact="records behind a CNAME that is about to be changed decide nothing",
        host="www.caaleaving.com",
        zone="www CNAME caa.host.net.",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("caa.host.net",),
        codes=(Code.CNAME_ELSEWHERE,),
    ),
    Situation(
        fact="the domain's records forbid while the name still points elsewhere",
        host="www.caaboth.com",
        zone=f'www A {OLD}\n@ CAA 0 issue ";"',
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(OLD,),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME, Code.CAA_FORBIDS),
    ),
    Situation(
        fact="the servers fail when asked for CAA records",
        host="www.caafails.com",
        served=(LOOSE,),
        zone=WWW,
        faults={"CAA": "servfail"},
        codes=(Code.CAA_NOT_ANSWERED,),
        facts={"why": "servfail"},
    ),
    Situation(
        fact="the servers fail when asked for the domain's CAA records",
        host="www.caafailsabove.com",
        served=(LOOSE,),
        zone=WWW,
        faults={"caafailsabove.com": "servfail"},
        codes=(Code.CAA_NOT_ANSWERED,),
        facts={"place": "caafailsabove.com"},
    ),
    Situation(
        fact="the domain's records forbid, and the name does not exist",
        host="www.caanothing.com",
        zone='@ CAA 0 issue ";"',
        sees=ABSENT,
        statuses=("missing",),
        codes=(Code.CNAME_MISSING, Code.CAA_FORBIDS),
    ),
    Situation(
        fact="the records of a name that the hostname may go on pointing at forbid",
        host="www.caasamehost.com",
        zone="www CNAME same.brandcaa.net.",
        beside={"brandcaa.net": OURS_LINES.replace("@", "same") + '\nsame CAA 0 issue ";"'},
        sees=FLATTENED,
        codes=(Code.CAA_AT_CNAME_FORBIDS,),
        facts={"place": "same.brandcaa.net"},
    ),
)
