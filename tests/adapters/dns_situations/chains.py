"""Chains of CNAME and DNAME records."""

from functools import partial

from app.domain.diagnosis.catalogue import Code
from app.domain.observation import RoutingKind
from tests.adapters.dns_situations.situation import (
    APEX,
    ELSEWHERE,
    FLATTENED,
    GODADDY,
    OLD,
    OURS_LINES,
    TARGET,
    Situation,
)


def chain(links: int) -> str:
    """Give a chain of so many CNAME records, the last of which points at the target."""
    names = ["www", *(f"c{at}" for at in range(1, links))]
    ends = [*names[1:], f"{TARGET}."]
    return "\n".join(f"{name} CNAME {end}" for name, end in zip(names, ends, strict=True))


LOOP = partial(Situation, sees="cname_loop", statuses=("unknown",), codes=(Code.CNAME_TO_ITSELF,))
WRONG = partial(Situation, sees=ELSEWHERE, statuses=("wrong",), codes=(Code.CNAME_ELSEWHERE,))
RIGHT = (
    Situation(
        fact="a CNAME may lead to the target by way of another name",
        host="www.twolinks.com",
        zone=chain(2),
    ),
    Situation(
        fact="a chain of eight CNAME records is all right",
        host="www.eightlinks.com",
        zone=chain(8),
    ),
    Situation(
        fact="a chain of sixteen CNAME records is followed to the target",
        host="www.sixteen.com",
        zone=chain(16),
    ),
    Situation(
        fact="a chain may lead through a zone with servers of its own",
        host="www.throughother.com",
        zone="www CNAME shops.brandone.net.",
        beside={"brandone.net": f"shops CNAME {TARGET}."},
    ),
    Situation(
        fact="a chain may lead out of the zone and back",
        host="www.outandback.com",
        zone=f"www CNAME shops.brandtwo.net.\nback CNAME {TARGET}.",
        beside={"brandtwo.net": "shops CNAME back.outandback.com."},
    ),
    Situation(
        fact="a chain may lead into a zone below the domain",
        host="www.intobelow.com",
        zone="www CNAME www.eu",
        below={"eu": f"www CNAME {TARGET}."},
    ),
    Situation(
        fact="a wildcard may be a link of the chain",
        host="www.starlink.com",
        zone=f"www CNAME any.shops\n*.shops CNAME {TARGET}.",
    ),
    Situation(
        fact="a CNAME may lead to an apex that has the target's addresses",
        host="www.toapex.com",
        zone=f"{OURS_LINES}\nwww CNAME @",
        sees=FLATTENED,
    ),
    Situation(
        fact="a CNAME may lead to an apex with our apex address",
        host="www.toapexaddress.com",
        apex_addresses=(APEX,),
        zone=f"@ A {APEX}\nwww CNAME @",
        sees=RoutingKind.APEX,
    ),
    Situation(
        fact="a CNAME may lead to another name of the target's addresses",
        host="www.samehost.com",
        zone="www CNAME same.brandthree.net.",
        beside={"brandthree.net": OURS_LINES.replace("@", "same")},
        sees=FLATTENED,
    ),
    Situation(
        fact="a DNAME may rename the tree that the name is in",
        host="www.old.dname.com",
        zone=f"old DNAME new\nwww.new CNAME {TARGET}.",
    ),
    Situation(
        fact="a DNAME at the apex may lead to another domain",
        host="www.dnameapex.com",
        hosts=GODADDY,
        zone="@ DNAME brandfour.net.",
        beside={"brandfour.net": f"www CNAME {TARGET}."},
    ),
    Situation(
        fact="a CNAME may lead into a tree that a DNAME renames",
        host="www.todname.com",
        zone=f"www CNAME www.old\nold DNAME new\nwww.new CNAME {TARGET}.",
    ),
    Situation(
        fact="a CNAME may lead to the apex of a zone below the domain",
        host="www.tosubapex.com",
        zone="www CNAME eu",
        below={"eu": OURS_LINES},
        sees=FLATTENED,
    ),
)
SITUATIONS = (
    *RIGHT,
    Situation(
        fact="a chain of seventeen CNAME records is too long",
        host="www.seventeen.com",
        zone=chain(17),
        sees="cname_chain_too_long",
        statuses=("unknown",),
        codes=(Code.CNAME_ELSEWHERE,),
        facts={"found": "c1.seventeen.com"},
    ),
    LOOP(
        fact="the CNAME points at its own name",
        host="www.selfloop.com",
        zone="www CNAME www",
        facts={"target": TARGET},
    ),
    LOOP(
        fact="two CNAME records point at one another",
        host="www.twoloop.com",
        zone="www CNAME shop\nshop CNAME www",
    ),
    LOOP(
        fact="the CNAME leads into a loop",
        host="www.tailloop.com",
        zone="www CNAME a\na CNAME b\nb CNAME a",
    ),
    Situation(
        fact="of a loop through another zone, the resolver only says that it fails",
        host="www.wideloop.com",
        zone="www CNAME shops.brandfive.net.",
        beside={"brandfive.net": "shops CNAME www.wideloop.com."},
        sees="servfail",
        statuses=("unknown",),
        codes=(Code.ROUTING_UNCLEAR,),
    ),
    WRONG(
        fact="a chain ends elsewhere",
        host="www.endselsewhere.com",
        zone="www CNAME shop\nshop CNAME old.host.net.",
        found=("shop.endselsewhere.com",),
    ),
    WRONG(
        fact="a CNAME leads to an apex that is elsewhere",
        host="www.toapexelsewhere.com",
        zone=f"@ A {OLD}\nwww CNAME @",
        found=("toapexelsewhere.com",),
    ),
    WRONG(
        fact="a CNAME leads to a name without addresses",
        host="www.tonothing.com",
        zone='www CNAME shop\nshop TXT "hello"',
        found=("shop.tonothing.com",),
    ),
    WRONG(
        fact="a DNAME renames the tree to nothing",
        host="www.moved.dnamegone.com",
        zone="moved DNAME gone.host.net.",
        found=("www.gone.host.net",),
    ),
    Situation(
        fact="a chain leads into a zone that nobody serves",
        host="www.intolame.com",
        zone="www CNAME shops.lamebrand.net.",
        beside={"lamebrand.net": ""},
        sees="servfail",
        statuses=("unknown",),
        codes=(Code.ROUTING_UNCLEAR,),
    ),
    Situation(
        fact="a DNAME makes a name that is too long",
        host=f"{'.'.join(('a' * 60, 'b' * 60, 'c' * 60))}.short.dnametoolong.com",
        zone=f"short DNAME {'d' * 60}.{'e' * 60}.brand.net.",
        sees="yxdomain",
        statuses=("unknown",),
        codes=(Code.COULD_NOT_CHECK,),
        facts={"why": "yxdomain"},
    ),
)
