"""Where a hostname redirects to: which targets are possible. Pure.

Nameplate stores the target and shows it; the product's backend redirects. A target must not
redirect itself when it is set. Each redirect is set while both names are locked, so the one that
would close a loop always finds a target that redirects.
"""

from __future__ import annotations

from app.domain.custom_hostname import CustomHostname
from app.domain.errors import InvalidHostname, InvalidInput, RedirectInvalid
from app.domain.hostname import Hostname, PublicSuffix, parse_hostname


def parse_target(text: str, public_suffix: PublicSuffix) -> Hostname:
    """Parse what a caller typed as `redirect_to`.

    Raises:
        InvalidInput: it is not a hostname; the code is that of the hostname's rule.
        RedirectInvalid: it is a wildcard.
    """
    try:
        target = parse_hostname(text, public_suffix)
    except InvalidHostname as error:
        raise InvalidInput(error.detail, code=error.code, field=RedirectInvalid.place) from None
    if target.is_wildcard:
        raise RedirectInvalid("A redirect leads to one name; leave `*.` out.")
    return target


def refuse_itself(hostname: Hostname, target: Hostname) -> None:
    """Refuse to redirect a name to itself.

    Raises:
        RedirectInvalid: with the way out.
    """
    if hostname == target:
        raise RedirectInvalid(
            f"{target.name} cannot redirect to itself; leave `redirect_to` out, or name another "
            "hostname of the tenant."
        )


def refuse_target(target: Hostname, held: CustomHostname | None) -> None:
    """Refuse a target that the tenant does not have, or that redirects. `held` is the tenant's.

    Raises:
        RedirectInvalid: with the way out.
    """
    if held is None:
        raise RedirectInvalid(
            f"{target.name} is not a hostname of this tenant. Add it first, or add both in one "
            "request, with `also`."
        )
    if held.redirect_to is not None:
        raise RedirectInvalid(
            f"{target.name} redirects to {held.redirect_to} itself; redirect to that name instead."
        )
