"""What Cloudflare and the certificate authority see when they look at a tenant's DNS.

Looks and judges; what follows from it is `lifecycle`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from sandbox import constants
from sandbox.dns_zone import World, ancestors, normal
from sandbox.lookup import Answer, Lookup, LookupFailedError
from sandbox.model import Certificate, CustomHostname

NO_FALLBACK_ORIGIN = "Zone does not have a fallback origin set."
NO_CNAME = "custom hostname does not CNAME to this zone."
NO_ADDRESS = (
    "None of the A or AAAA records are owned by this account and the pre-generated ownership "
    "verification token was not found."
)
USES_CLOUDFLARE = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation "
    "token. To activate the custom hostname, the DNS target needs to point to the SaaS zone"
)
_CAA_DOMAINS = {
    "google": "pki.goog",
    "lets_encrypt": "letsencrypt.org",
    "ssl_com": "ssl.com",
}
_KNOWN_CAA_TAGS = frozenset({"issue", "issuewild", "iodef", "issuemail", "contactemail"})
_CRITICAL = 128


class Routing(Enum):
    """Where a name's traffic goes."""

    HERE = auto()
    OTHER_CLOUDFLARE_ZONE = auto()
    OTHER_ADDRESS = auto()
    NOWHERE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one look: no errors and `passed`, or why not."""

    passed: bool
    errors: tuple[str, ...] = ()


def fallback_origin_error(status: str | None) -> str | None:
    """Return why no hostname of the zone can validate yet, if so."""
    if status is None:
        return NO_FALLBACK_ORIGIN
    if status != "active":
        return f"Fallback origin is in a status of {status}."
    return None


class Validator:
    """Looks at names through DNS; only for proxied records does it know more than the public."""

    def __init__(self, lookup: Lookup, world: World) -> None:
        self._lookup = lookup
        self._world = world

    async def routing(self, name: str) -> Routing:
        """Return where a name's traffic goes."""
        try:
            answer = await self._lookup.ask(name, "A")
            return await self._judge(answer)
        except LookupFailedError:
            return Routing.UNKNOWN

    async def hostname(self, hostname: CustomHostname, routing: Routing) -> Verdict:
        """Judge the proof of the hostname, the fallback origin being active."""
        if routing is Routing.HERE:
            return Verdict(passed=True)
        if not await self._has_ownership_token(hostname):
            return Verdict(
                passed=False, errors=(NO_ADDRESS if routing is Routing.OTHER_ADDRESS else NO_CNAME,)
            )
        if routing is Routing.OTHER_CLOUDFLARE_ZONE:
            return Verdict(passed=False, errors=(NO_CNAME, USES_CLOUDFLARE))
        return Verdict(passed=True)

    async def certificate(
        self, name: str, certificate: Certificate, *, tries_http: bool
    ) -> Verdict:
        """Judge the proof for the certificate: DCV first, then CAA, as an authority does."""
        by_http = tries_http and await self.routing(name) is Routing.HERE
        proven = by_http or certificate.approved
        if not proven and not await self._has_dcv_tokens(name, certificate):
            return Verdict(passed=False)
        if error := await self._caa_error(name, certificate):
            return Verdict(passed=False, errors=(error,))
        return Verdict(passed=True)

    async def _judge(self, answer: Answer) -> Routing:
        addresses = set(answer.texts)
        if not addresses:
            return Routing.NOWHERE
        if addresses <= set(constants.PROVIDER_ADDRESSES):
            return Routing.HERE
        if not addresses <= set(constants.ELSEWHERE_ADDRESSES):
            return Routing.NOWHERE if len(answer.names) > 1 else Routing.OTHER_ADDRESS
        target = self._proxied_target(answer.names[-1])
        if target:
            behind = await self._lookup.ask(target, "A")
            if set(behind.texts) & set(constants.PROVIDER_ADDRESSES):
                return Routing.HERE
        return Routing.OTHER_CLOUDFLARE_ZONE

    def _proxied_target(self, name: str) -> str | None:
        """Return what Cloudflare alone knows: the origin of a CNAME that it proxies."""
        record = (self._world.node(name) or {}).get("CNAME")
        return normal(record.values[0]) if record and record.proxied else None

    async def _has_ownership_token(self, hostname: CustomHostname) -> bool:
        found = await self._strings(f"_cf-custom-hostname.{hostname.hostname}")
        return hostname.ownership_token in found

    async def _has_dcv_tokens(self, name: str, certificate: Certificate) -> bool:
        if certificate.method != "txt":
            return False
        found = await self._strings(f"_acme-challenge.{name}")
        return found.issuperset(certificate.tokens)

    async def _strings(self, name: str) -> set[str]:
        try:
            return set((await self._lookup.ask(name, "TXT")).strings)
        except LookupFailedError:
            return set()

    async def _caa_error(self, name: str, certificate: Certificate) -> str | None:
        try:
            for owner in (name, *ancestors(name)):
                if records := (await self._lookup.ask(owner, "CAA")).rdatas:
                    return None if _allows(records, certificate) else f"caa_error: {name}"
        except LookupFailedError:
            return f"SERVFAIL looking up CAA for {name}"
        return None


def _allows(records: tuple[object, ...], certificate: Certificate) -> bool:
    issuers: dict[str, set[str]] = {}
    for record in records:
        flags, tag, value = _caa(record)
        if flags & _CRITICAL and tag not in _KNOWN_CAA_TAGS:
            return False
        issuers.setdefault(tag, set()).add(value.split(";")[0].strip().lower())
    wanted = _CAA_DOMAINS[certificate.certificate_authority]
    tags = ["issue"]
    if certificate.wildcard:
        tags.append("issuewild" if "issuewild" in issuers else "issue")
    return all(tag not in issuers or wanted in issuers[tag] for tag in tags)


def _caa(record: object) -> tuple[int, str, str]:
    flags, tag, value = (getattr(record, part) for part in ("flags", "tag", "value"))
    return int(flags), tag.decode().lower(), value.decode()
