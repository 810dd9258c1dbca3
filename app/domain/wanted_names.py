"""The names of one request: `hostname`, and those in `also`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.errors import AlreadyExists, AlsoInvalid, Conflict, InvalidInput
from app.domain.hostname import Hostname, PublicSuffix, parse_hostname, registrable_domain
from app.domain.redirect import parse_target, refuse_itself

MOST_ALSO = 4
"""How many names one request may have beside the first."""
_FIRST = "/hostname"


@dataclass(frozen=True, slots=True)
class WantedName:
    """One name of a request, and the JSON pointer to where it stands there."""

    hostname: Hostname
    pointer: str = _FIRST
    redirect_to: Hostname | None = None

    @property
    def is_first(self) -> bool:
        """Whether it is `hostname` itself; plan and options were chosen for this one."""
        return self.pointer == _FIRST

    @contextmanager
    def at_fault(self) -> Iterator[None]:
        """Point what is refused of a name in `also` to that name."""
        try:
            yield
        except (InvalidInput, Conflict) as error:
            if not self.is_first:
                error.field = self.pointer
                if isinstance(error, AlreadyExists):
                    error.fields = (self.pointer,)
            raise


def parse_names(
    hostname: str, also: Sequence[str], redirect_to: str | None, public_suffix: PublicSuffix
) -> tuple[WantedName, ...]:
    """Parse all names of a request. Those that are not the redirect's target redirect to it.

    Raises:
        InvalidHostname: one of them is not a hostname.
        AlsoInvalid: one is repeated, or does not belong to the first.
        InvalidInput, RedirectInvalid: `redirect_to` is no target for them.
    """
    names = [WantedName(parse_hostname(hostname, public_suffix))]
    first = names[0].hostname
    domain = registrable_domain(first.base, public_suffix)
    for number, text in enumerate(also):
        pointer = f"/also/{number}"
        with WantedName(first, pointer).at_fault():
            name = WantedName(parse_hostname(text, public_suffix), pointer)
            _refuse_repetition(name.hostname, names)
            _refuse_other_domain(name.hostname, domain, public_suffix)
        names.append(name)
    if redirect_to is None:
        return tuple(names)
    target = parse_target(redirect_to, public_suffix)
    if len(names) == 1:
        refuse_itself(first, target)
    return tuple(
        name
        if name.hostname == target
        else WantedName(name.hostname, name.pointer, redirect_to=target)
        for name in names
    )


def _refuse_repetition(hostname: Hostname, names: Sequence[WantedName]) -> None:
    if any(hostname == name.hostname for name in names):
        raise AlsoInvalid(f"{hostname.name} is in this request twice; give it once.")


def _refuse_other_domain(
    hostname: Hostname, domain: str | None, public_suffix: PublicSuffix
) -> None:
    if registrable_domain(hostname.base, public_suffix) != domain:
        raise AlsoInvalid(
            f"{hostname.name} does not belong to {domain}. Names in `also` must have the same "
            "registrable domain as `hostname`; add this one by a request of its own."
        )
