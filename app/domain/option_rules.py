"""Whether a choice of plan and options can work, decided before anything is called.

Each rule names the field at fault and how to correct it. What only Cloudflare knows is left to
Cloudflare: whether an origin is a record of the zone, whether the Cloudflare plan has an option.
`services/option_validation` applies the rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.custom_hostname import Plan
from app.domain.errors import (
    ErrorCode,
    InvalidHostname,
    InvalidInput,
    OptionNotAvailable,
    PlanNotAvailable,
)
from app.domain.hostname import MAX_LENGTH, Hostname, PublicSuffix, parse_hostname, trim
from app.domain.options import DcvMethod, Options, OwnershipMethod, merge_options
from app.domain.plan import DCV_SUFFIX, methods_of

MAX_CUSTOM_METADATA = 4096
"""Cloudflare for SaaS, "Custom metadata": the total payload must not exceed 4 KB."""
REQUEST_HOST_HEADER = ":request_host_header:"
LONGEST_PROVABLE = MAX_LENGTH - len("_cf-custom-hostname.")


# The uuid has 16 characters; this leaves room for longer ones.
LONGEST_DELEGATED = MAX_LENGTH - len(f".{DCV_SUFFIX}") - 37

FLATTENING = (
    "An apex cannot have the CNAME record that plan `simple` needs. Choose `zero_downtime` (the "
    "default here when `plan` is left out) and a DNS provider that supports ALIAS or ANAME records "
    "or flattens the CNAME; or use a name below the apex, such as `www.`."
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where in DNS a name is, as far as its routing record depends on that."""

    is_apex: bool
    """The name is, or may be, a zone of its own, where a CNAME is not possible."""
    is_at_cloudflare: bool = False
    """Cloudflare's name servers answer for it, and flatten a CNAME at an apex."""


def takes_cname(ground: Ground, *, is_proxied: bool) -> bool:
    """Whether plan `simple` works there. `is_proxied`: the zone has apex proxying.

    Source: Cloudflare DNS, "CNAME flattening"; Cloudflare for SaaS, "Apex proxying".
    """
    return not ground.is_apex or is_proxied or ground.is_at_cloudflare


def default_plan(hostname: Hostname, *, takes_cname: bool = True) -> Plan:
    """Return the plan if none is named: the one that works and asks the least of the tenant."""
    if hostname.is_wildcard:
        return Plan.DELEGATED
    return Plan.SIMPLE if takes_cname else Plan.ZERO_DOWNTIME


@dataclass(frozen=True, slots=True)
class ChosenOptions:
    """The chosen plan and options, with their hostname."""

    plan: Plan
    hostname: Hostname
    options: Options


def parse_plan(text: str | None, hostname: Hostname) -> Plan:
    """Read the caller's plan. None gives the default for a name that takes a CNAME.

    Raises:
        PlanNotAvailable: names what to choose instead.
    """
    if text is None:
        return default_plan(hostname)
    try:
        plan = Plan(text)
    except ValueError:
        available = ", ".join(f"`{plan}`" for plan in Plan)
        raise PlanNotAvailable(
            f"Plan {text[:64]!r} does not exist; choose one of {available}."
        ) from None
    if hostname.is_wildcard and plan is Plan.SIMPLE:
        raise PlanNotAvailable(
            "Plan `simple` validates over HTTP, which does not work for a wildcard; choose "
            "`delegated` or `zero_downtime`."
        )
    longest = {Plan.ZERO_DOWNTIME: LONGEST_PROVABLE, Plan.DELEGATED: LONGEST_DELEGATED}
    if len(hostname.base) > longest.get(plan, MAX_LENGTH):
        raise PlanNotAvailable(
            "The name is too long for this plan, whose validation records have even longer names; "
            "choose `simple`."
        )
    return plan


_FIXED = {
    "hostname": "`hostname` cannot be changed; add the new name, then remove this one.",
    "tenant": "`tenant` cannot be changed; remove the hostname, then let the other tenant add it.",
    "zone": "`zone` cannot be changed; remove the hostname, then add it with the other `zone`.",
}


def refuse_fixed(changes: Mapping[str, Any]) -> None:
    """Refuse to change what never changes.

    Raises:
        InvalidInput: with what to do instead.
    """
    for field, way_out in _FIXED.items():
        if field in changes:
            raise InvalidInput(way_out, code=ErrorCode.FIELD_FIXED, field=f"/{field}")


def is_at_cloudflare(name_servers: tuple[str, ...]) -> bool:
    """Whether a domain uses Cloudflare's name servers.

    They flatten a CNAME at an apex, and may proxy any name.
    """
    return bool(name_servers) and all(
        server.endswith(".ns.cloudflare.com") for server in name_servers
    )


def settle(choice: ChosenOptions) -> ChosenOptions:
    """Drop the methods if the plan has its own; the plan alone then names them."""
    if choice.plan is Plan.CUSTOM:
        return choice
    options = replace(choice.options, dcv_method=None, ownership_method=None)
    return replace(choice, options=options)


def patched_options(before: ChosenOptions, changes: Mapping[str, Any]) -> ChosenOptions:
    """Return the choice after a change: a field left out stays, None resets to the default.

    Raises:
        PlanNotAvailable: names what to choose instead.
    """
    plan, options = before.plan, before.options
    if "plan" in changes:
        plan = parse_plan(changes["plan"], before.hostname)
    if plan is not before.plan:
        # The methods belonged to the former plan.
        options = replace(options, dcv_method=None, ownership_method=None)
    return ChosenOptions(plan, before.hostname, merge_options(options, changes))


def validate_options(
    choice: ChosenOptions, *, zone_name: str | None, public_suffix: PublicSuffix
) -> ChosenOptions:
    """Refuse what cannot work, and return the rest in the form that is stored.

    Raises:
        OptionNotAvailable: with the field at fault and how to correct it.
    """
    choice = spell_names(choice, public_suffix)
    for rule in _RULES:
        for field, detail in rule(choice):
            raise OptionNotAvailable(field, detail)
    _check_origin(choice.options.custom_origin_server, zone_name)
    return settle(choice)


def spell_names(choice: ChosenOptions, public_suffix: PublicSuffix) -> ChosenOptions:
    """Return the choice with the hostnames among its options in normalized spelling.

    Raises:
        OptionNotAvailable: one of them is not a hostname.
    """
    origin, sni = choice.options.custom_origin_server, choice.options.custom_origin_sni
    if origin is not None:
        rule = "A custom origin server must be one name of the zone"
        origin = _one_name("/custom_origin_server", origin, rule, public_suffix)
    if sni is not None:
        rule = f"An SNI must be `{REQUEST_HOST_HEADER}` or one name"
        is_header = trim(sni) == REQUEST_HOST_HEADER
        sni = trim(sni) if is_header else _one_name("/custom_origin_sni", sni, rule, public_suffix)
    options = replace(choice.options, custom_origin_server=origin, custom_origin_sni=sni)
    return replace(choice, options=options)


FieldError = tuple[str, str]


def _methods_are_custom(choice: ChosenOptions) -> Iterator[FieldError]:
    own = methods_of(choice.plan, choice.hostname, Options())
    chosen = choice.options
    if choice.plan is Plan.CUSTOM:
        return
    # The plan's own methods are allowed, so that a document may be sent back unchanged.
    if chosen.dcv_method not in {None, own.dcv}:
        yield "/dcv_method", f"Plan `{choice.plan}` sets this; choose plan `custom` to change it."
    if chosen.ownership_method not in {None, own.ownership}:
        detail = f"Plan `{choice.plan}` sets this; choose plan `custom` to change it."
        yield "/ownership_method", detail


def _wildcards_serve_no_http(choice: ChosenOptions) -> Iterator[FieldError]:
    if not choice.hostname.is_wildcard:
        return
    chosen = choice.options
    if chosen.dcv_method is DcvMethod.HTTP:
        yield "/dcv_method", "A wildcard cannot be validated over HTTP; choose `txt`."
    if chosen.ownership_method is OwnershipMethod.HTTP:
        yield "/ownership_method", "A wildcard cannot serve a token over HTTP; choose `txt`."
    if chosen.ownership_method is OwnershipMethod.REALTIME:
        detail = "Traffic to a wildcard does not prove the name that Cloudflare checks"
        yield "/ownership_method", f"{detail}; choose `txt`."
    if chosen.custom_origin_sni is not None:
        yield (
            "/custom_origin_sni",
            "Cloudflare does not rewrite the SNI for wildcards; leave it out.",
        )


def _proofs_fit_the_name(choice: ChosenOptions) -> Iterator[FieldError]:
    used = methods_of(choice.plan, choice.hostname, choice.options)
    proves_by_txt = used.ownership is OwnershipMethod.TXT or used.dcv is DcvMethod.TXT
    if proves_by_txt and not used.is_delegated and len(choice.hostname.base) > LONGEST_PROVABLE:
        field = "/ownership_method" if used.ownership is OwnershipMethod.TXT else "/dcv_method"
        yield field, "The name is too long for TXT, whose record has an even longer name."


def _sni_needs_an_origin(choice: ChosenOptions) -> Iterator[FieldError]:
    chosen = choice.options
    if chosen.custom_origin_sni is not None and chosen.custom_origin_server is None:
        yield "/custom_origin_sni", "This needs `custom_origin_server`; give that too."


def _some_tls_is_left(choice: ChosenOptions) -> Iterator[FieldError]:
    tls = choice.options.tls
    if tls.min_tls_version == "1.3" and tls.tls_1_3 == "off":
        yield "/tls/tls_1_3", "This leaves no version of TLS; turn `tls_1_3` on or allow 1.2."


def _ciphers_need_older_tls(choice: ChosenOptions) -> Iterator[FieldError]:
    tls = choice.options.tls
    if tls.ciphers and tls.min_tls_version == "1.3":
        yield "/tls/ciphers", "TLS 1.3 has its own ciphers; leave `ciphers` out or allow 1.2."


def _metadata_is_small(choice: ChosenOptions) -> Iterator[FieldError]:
    # Measure the compact form, which is the one that is sent.
    compact = json.dumps(choice.options.custom_metadata, ensure_ascii=False, separators=(",", ":"))
    size = len(compact.encode())
    if size > MAX_CUSTOM_METADATA:
        detail = f"Cloudflare takes at most {MAX_CUSTOM_METADATA} bytes, and this has {size}. "
        yield "/custom_metadata", detail + "Keep the rest in `metadata`, which stays here."


_RULES: tuple[Callable[[ChosenOptions], Iterator[FieldError]], ...] = (
    _methods_are_custom,
    _wildcards_serve_no_http,
    _proofs_fit_the_name,
    _sni_needs_an_origin,
    _some_tls_is_left,
    _ciphers_need_older_tls,
    _metadata_is_small,
)


def _one_name(field: str, text: str, rule: str, public_suffix: PublicSuffix) -> str:
    try:
        name = parse_hostname(text, public_suffix)
    except InvalidHostname as error:
        raise OptionNotAvailable(field, f"{rule}: {error.detail}") from error
    if name.is_wildcard:
        raise OptionNotAvailable(field, f"{rule}; leave `*.` out.")
    return name.name


def _check_origin(origin: str | None, zone_name: str | None) -> None:
    if origin is None or zone_name is None:
        return
    if not f".{origin}".endswith(f".{zone_name}"):
        raise OptionNotAvailable(
            "/custom_origin_server",
            f"The origin must be a proxied record of the zone; choose a name below {zone_name}.",
        )
