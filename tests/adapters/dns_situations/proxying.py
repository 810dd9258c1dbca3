"""Names in the tenant's own zone at Cloudflare, whose proxy hides their records."""

from functools import partial

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from tests.adapters.dns_situations.situation import (
    CLOUDFLARE,
    ELSEWHERE,
    OLD,
    OWNER,
    PROXIED,
    TARGET,
    TOKEN,
    Situation,
)

REFUSED = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation token"
)
HIDDEN = partial(
    Situation,
    hosts=CLOUDFLARE,
    zone=f"www A {PROXIED}",
    sees=ELSEWHERE,
    statuses=("wrong",),
    found=(PROXIED,),
)
SITUATIONS = (
    Situation(
        fact="a CNAME at Cloudflare without the proxy is all right",
        host="www.greycloud.com",
        hosts=CLOUDFLARE,
        zone=f"www CNAME {TARGET}.",
    ),
    HIDDEN(
        fact="the tenant's proxied CNAME may be right",
        host="www.proxied.com",
        codes=(Code.PROXIED_UNPROVEN,),
    ),
    HIDDEN(
        fact="the proxy of a live hostname may stay",
        host="www.proxiedlive.com",
        live=True,
        codes=(Code.PROXIED,),
    ),
    HIDDEN(
        fact="the proxy of a hostname that is ready may stay",
        host="www.proxiedready.com",
        hostname_status="active",
        ssl_status="active",
        codes=(Code.PROXIED,),
    ),
    HIDDEN(
        fact="Cloudflare refuses the name because of the proxy",
        host="www.proxiedrefused.com",
        cloudflare_error=REFUSED,
        codes=(Code.PROXIED_BLOCKS,),
    ),
    Situation(
        fact="tokens do not validate a proxied name",
        host="www.proxiedtokens.com",
        hosts=CLOUDFLARE,
        plan=Plan.ZERO_DOWNTIME,
        owner=OWNER,
        tokens=(TOKEN,),
        zone=f"""
            www A {PROXIED}
            _cf-custom-hostname.www TXT "{OWNER}"
            _acme-challenge.www TXT "{TOKEN}\"""",
        sees=ELSEWHERE,
        statuses=("found", "found", "wrong"),
        found=(PROXIED,),
        codes=(Code.PROXIED_BLOCKS,),
    ),
    Situation(
        fact="a proxied apex hides its record too",
        host="proxiedapex.com",
        hosts=CLOUDFLARE,
        zone=f"@ A {PROXIED}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(PROXIED,),
        codes=(Code.PROXIED_UNPROVEN,),
    ),
    Situation(
        fact="an address of Cloudflare's in a zone elsewhere hides nothing",
        host="www.notproxied.com",
        zone=f"www A {PROXIED}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(PROXIED,),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME,),
    ),
    Situation(
        fact="an address elsewhere in a zone at Cloudflare hides nothing",
        host="www.greyelsewhere.com",
        hosts=CLOUDFLARE,
        zone=f"www A {OLD}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=(OLD,),
        codes=(Code.ADDRESS_INSTEAD_OF_CNAME,),
    ),
    Situation(
        fact="the CNAME leads to another zone at Cloudflare",
        host="www.partial.com",
        zone="www CNAME www.partial.com.cdn.cloudflare.net.",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("www.partial.com.cdn.cloudflare.net",),
        codes=(Code.CNAME_AT_OTHER_SERVICE,),
        facts={"service": "another Cloudflare zone"},
    ),
    Situation(
        fact="a CNAME to another proxied name is seen, and is not the proxy of this one",
        host="www.otherproxied.com",
        hosts=CLOUDFLARE,
        zone=f"www CNAME shop\nshop A {PROXIED}",
        sees=ELSEWHERE,
        statuses=("wrong",),
        found=("shop.otherproxied.com",),
        codes=(Code.CNAME_ELSEWHERE,),
    ),
)
