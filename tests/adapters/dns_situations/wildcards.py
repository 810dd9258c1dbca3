"""Wildcard records (RFC 4592): what they answer for, and what stands in their way."""

from functools import partial

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from tests.adapters.dns_situations.situation import (
    ABSENT,
    DCV,
    ELSEWHERE,
    FLATTENED,
    OLD,
    OURS_LINES,
    OWNER,
    SECOND_TOKEN,
    TARGET,
    TOKEN,
    Situation,
)

STAR = f"* CNAME {TARGET}."
MISSING = ("missing",)
BLOCKED = partial(Situation, sees=ABSENT, statuses=MISSING, codes=(Code.CNAME_MISSING,))


def proofs(base: str) -> str:
    """Give the two records that a delegated wildcard needs beside its own."""
    below = "" if base.count(".") == 1 else "." + base.rsplit(".", 2)[0]
    return f'_cf-custom-hostname{below} TXT "{OWNER}"\n_acme-challenge{below} CNAME {base}.{DCV}.'


WILDCARD = partial(Situation, plan=Plan.DELEGATED, owner=OWNER)
RIGHT = (
    Situation(
        fact="a wildcard may give a name its CNAME",
        host="www.starred.com",
        zone=STAR,
    ),
    Situation(
        fact="a wildcard covers names several labels below it",
        host="a.b.c.starreddeep.com",
        zone=STAR,
    ),
    Situation(
        fact="a name's own CNAME goes before a wildcard elsewhere",
        host="www.ownfirst.com",
        zone=f"* A {OLD}\nwww CNAME {TARGET}.",
    ),
    Situation(
        fact="the nearer wildcard answers",
        host="a.shop.nearer.com",
        zone=f"* A {OLD}\n*.shop CNAME {TARGET}.",
    ),
    WILDCARD(
        fact="a wildcard of the whole domain is all right",
        host="*.wholestar.com",
        zone=f"{STAR}\n{proofs('wholestar.com')}",
    ),
    WILDCARD(
        fact="a wildcard below the domain is all right",
        host="*.shop.belowstar.com",
        zone=f"* A {OLD}\n*.shop CNAME {TARGET}.\n{proofs('shop.belowstar.com')}",
    ),
    WILDCARD(
        fact="a wildcard with names of their own beside it is all right",
        host="*.besidestar.com",
        zone=f"{STAR}\nwww A {OLD}\nmail A {OLD}\n{proofs('besidestar.com')}",
    ),
    WILDCARD(
        fact="the wildcard of the domain covers the wildcard below it",
        host="*.shop.coveredstar.com",
        zone=f'{STAR}\n_cf-custom-hostname.shop.coveredstar.com. TXT "{OWNER}"\n'
        f"_acme-challenge.shop CNAME shop.coveredstar.com.{DCV}.\n*.shop CNAME {TARGET}.",
    ),
    Situation(
        fact="a wildcard certificate's two tokens stand at one name",
        host="*.twotokens.com",
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        tokens=(TOKEN, SECOND_TOKEN),
        zone=f"""{STAR}
            _cf-custom-hostname TXT "{OWNER}"
            _acme-challenge TXT "{TOKEN}"
            _acme-challenge TXT "{SECOND_TOKEN}\"""",
    ),
    WILDCARD(
        fact="a zone below the domain may hold the wildcard",
        host="*.eu.belowzone.com",
        below={
            "eu": f'* CNAME {TARGET}.\n_cf-custom-hostname TXT "{OWNER}"\n'
            f"_acme-challenge CNAME eu.belowzone.com.{DCV}."
        },
    ),
)
SITUATIONS = (
    *RIGHT,
    Situation(
        fact="a wildcard sends the name elsewhere",
        host="www.starelsewhere.com",
        zone=f"* A {OLD}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(OLD,),
        codes=(Code.WILDCARD_ELSEWHERE,),
        facts={"found": OLD, "host": "www"},
    ),
    Situation(
        fact="a wildcard CNAME sends the name elsewhere",
        host="www.starcname.com",
        zone="* CNAME old.host.net.",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("old.host.net",),
        codes=(Code.WILDCARD_ELSEWHERE,),
    ),
    Situation(
        fact="a wildcard elsewhere does not excuse a name's own address elsewhere",
        host="www.ownelsewhere.com",
        zone="* CNAME old.host.net.\nwww A 203.0.113.10",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("203.0.113.10",),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME,),
    ),
    BLOCKED(
        fact="a TXT record at the name keeps the wildcard from answering",
        host="blog.starblocked.com",
        zone=f'{STAR}\nblog TXT "hello"',
    ),
    BLOCKED(
        fact="a name below keeps the wildcard from answering",
        host="blog.starnonterminal.com",
        zone=f'{STAR}\ndeep.blog TXT "hello"',
    ),
    BLOCKED(
        fact="a name above keeps the wildcard from answering",
        host="a.blog.starabove.com",
        zone=f'{STAR}\nblog TXT "hello"',
    ),
    BLOCKED(
        fact="a wildcard of TXT records does not route",
        host="www.startxt.com",
        zone='* TXT "hello"',
    ),
    WILDCARD(
        fact="the wildcard's own record is missing",
        host="*.nostar.com",
        zone=f"www CNAME {TARGET}.\n{proofs('nostar.com')}",
        sees=ABSENT,
        statuses=("found", "found", "missing"),
        codes=(Code.NOT_SWITCHED_YET,),
    ),
    WILDCARD(
        fact="the wildcard's own record is missing once it is due",
        host="*.duestar.com",
        zone=f"www CNAME {TARGET}.\n{proofs('duestar.com')}",
        hostname_status="active",
        ssl_status="active",
        sees=ABSENT,
        statuses=("found", "found", "missing"),
        codes=(Code.CNAME_MISSING,),
        facts={"host": "*"},
    ),
    WILDCARD(
        fact="the wildcard's record stands one level too deep",
        host="*.deepstar.com",
        zone=f"*.deepstar.com CNAME {TARGET}.\n{proofs('deepstar.com')}",
        hostname_status="active",
        ssl_status="active",
        sees=ABSENT,
        statuses=("found", "found", "misplaced"),
        found_at=("*.deepstar.com.deepstar.com",),
        codes=(Code.RECORD_MISPLACED,),
        facts={"host": "*"},
    ),
    WILDCARD(
        fact="the wildcard below a name is not the wildcard of the domain",
        host="*.shop.upperstar.com",
        zone=f"{STAR}\n{proofs('shop.upperstar.com')}",
        hostname_status="active",
        ssl_status="active",
        sees=ABSENT,
        statuses=("found", "found", "missing"),
        codes=(Code.CNAME_MISSING,),
        facts={"host": "*.shop"},
    ),
    WILDCARD(
        fact="the wildcard points elsewhere",
        host="*.wrongstar.com",
        zone=f"* CNAME old.host.net.\n{proofs('wrongstar.com')}",
        hostname_status="active",
        ssl_status="active",
        sees=ELSEWHERE,
        statuses=("found", "found", "wrong"),
        found=("old.host.net",),
        codes=(Code.CNAME_ELSEWHERE,),
    ),
    Situation(
        fact="a wildcard is no delegation",
        host="www.stardelegated.com",
        plan=Plan.DELEGATED,
        zone=STAR,
        statuses=("wrong", "found"),
        found=(TARGET,),
        codes=(Code.DELEGATION_MISSING,),
    ),
    Situation(
        fact="a wildcard CNAME is not in the way of a TXT record of its own",
        host="www.stardtxt.com",
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        tokens=(TOKEN,),
        zone=STAR,
        statuses=("missing", "missing", "found"),
        codes=(Code.TXT_MISSING, Code.TXT_MISSING),
    ),
    Situation(
        fact="a wildcard of TXT records is not a token of the name's own",
        host="www.starvalue.com",
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        tokens=(TOKEN,),
        zone=f'* TXT "hello"\n_cf-custom-hostname.www TXT "{OWNER}"\n_x.www TXT y\n'
        f"www CNAME {TARGET}.",
        statuses=("found", "missing", "found"),
        codes=(Code.TXT_MISSING,),
    ),
    Situation(
        fact="a wildcard with the token's value does not say that the record is misplaced",
        host="www.startoken.com",
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        tokens=(TOKEN,),
        zone=f'* TXT "{TOKEN}"\n_cf-custom-hostname.www TXT "{OWNER}"\nwww CNAME {TARGET}.',
        statuses=("found", "missing", "found"),
        codes=(Code.TXT_MISSING,),
    ),
    Situation(
        fact="what a wildcard answers is cached for days too",
        host="www.starlong.com",
        zone=f"* 172800 A {OLD}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(OLD,),
        codes=(Code.WILDCARD_ELSEWHERE, Code.CHANGE_TAKES_LONG),
    ),
    Situation(
        fact="a wildcard below the apex sends the name elsewhere",
        host="a.shop.starbelow.com",
        zone=f"*.shop A {OLD}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(OLD,),
        codes=(Code.WILDCARD_ELSEWHERE,),
        facts={"host": "a.shop"},
    ),
    Situation(
        fact="an IPv6 wildcard sends the name elsewhere",
        host="www.starsix.com",
        zone="* AAAA 2001:db8::9",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("2001:db8::9",),
        codes=(Code.WILDCARD_ELSEWHERE,),
    ),
    WILDCARD(
        fact="the hostname's own wildcard is no delegation",
        host="*.shop.ownstar.com",
        zone=f'*.shop CNAME {TARGET}.\n_cf-custom-hostname.shop TXT "{OWNER}"',
        statuses=("found", "wrong", "found"),
        found=(TARGET,),
        codes=(Code.DELEGATION_MISSING,),
        facts={"host": "_acme-challenge.shop"},
    ),
    WILDCARD(
        fact="the hostname's own wildcard is not in the way of its TXT record",
        host="*.shop.ownstartxt.com",
        zone=f"*.shop CNAME {TARGET}.\n_acme-challenge.shop CNAME shop.ownstartxt.com.{DCV}.",
        statuses=("missing", "found", "found"),
        codes=(Code.TXT_MISSING,),
        facts={"host": "_cf-custom-hostname.shop"},
    ),
    Situation(
        fact="a wildcard that leads to other TXT values is not in the way of one's own",
        host="starledtxt.com",
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        zone=f'{OURS_LINES}\n* CNAME texts\ntexts TXT "v=spf1 -all"',
        sees=FLATTENED,
        statuses=("wrong", "found"),
        found=("v=spf1 -all",),
        codes=(Code.TXT_MISSING,),
    ),
    Situation(
        fact="a wildcard of TXT records is not in the way of the delegation",
        host="startxtapex.com",
        plan=Plan.DELEGATED,
        zone=f'{OURS_LINES}\n* TXT "hello"',
        sees=FLATTENED,
        statuses=("missing", "found"),
        codes=(Code.DELEGATION_MISSING,),
    ),
    BLOCKED(
        fact="a name above keeps a wildcard elsewhere from answering",
        host="a.blog.starelseabove.com",
        zone=f'* A {OLD}\nblog TXT "hello"',
    ),
)
