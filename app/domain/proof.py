"""Proof of control: the TXT record that proves a name, as one that another tenant had. Pure."""

from __future__ import annotations

from enum import Enum, StrEnum, auto

from app.domain.custom_hostname import CustomHostname
from app.domain.errors import ProofRequired
from app.domain.hostname import MAX_LENGTH, Hostname
from app.domain.observation import Routing

CHALLENGE = "_nameplate-challenge"


class ProofRule(StrEnum):
    """Which new names have to be proved, beside those that another tenant had."""

    OFF = "off"
    TENANT_KEYS = "tenant_keys"
    """Those that a key bound to a tenant adds while their DNS may point here already."""
    ON = "on"
    """All."""


class Demand(Enum):
    """Whether a name has to be proved, whoever had it before."""

    NONE = auto()
    UNLESS_BASE_IS_HELD = auto()
    """A wildcard whose base points here, because both share one object at Cloudflare."""
    ALWAYS = auto()


def may_point_here(routing: Routing | None) -> bool:
    """Whether traffic for the name may arrive here. Only DNS that leads elsewhere rules it out."""
    return routing is None or routing.points_at_target is not False


def challenge_name(hostname: Hostname) -> str:
    """Return where the TXT record stands. A wildcard is proved at its base."""
    return f"{CHALLENGE}.{hostname.base}"


def is_proved(record: CustomHostname, before: CustomHostname) -> bool:
    """Whether `record` has the proof that it still awaited `before`."""
    return before.awaits_proof and record.proof is not None and not record.awaits_proof


def refuse_unprovable(hostname: Hostname) -> None:
    """Refuse a name below which DNS has no room for the TXT record (RFC 1035, section 2.3.4).

    Raises:
        ProofRequired: with the way out.
    """
    if len(challenge_name(hostname)) > MAX_LENGTH:
        raise ProofRequired(
            "Control of this name has to be proved by a TXT record, and the name is too long for "
            "one. Remove the record that points here, and try again; if another tenant had the "
            "name, in a day, because Nameplate checks such names daily. Or add a shorter name."
        )
