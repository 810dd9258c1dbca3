"""What Cloudflare's answers say of a name whose record is hidden by a proxy. Pure.

A tenant whose own zone is at Cloudflare may proxy the CNAME. DNS then shows Cloudflare's addresses,
whatever the record says. Cloudflare knows where the traffic goes: it activates such a name by its
routing record only, and calls it `moved` once that record leads elsewhere.
Source: Cloudflare for SaaS, "How it works: orange-to-orange".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.cloudflare_terms import HostnameMeaning, hostname_meaning
from app.domain.custom_hostname import CustomHostname, Purpose, RecordStatus
from app.domain.observation import Found, Observation, Routing, RoutingKind
from app.domain.plan import is_real_time, wanted_records
from app.domain.reconcile.schedule import Policy


def confirm_proxied(
    record: CustomHostname,
    before: CustomHostname,
    observation: Observation,
    *,
    now: datetime,
    policy: Policy,
) -> CustomHostname:
    """Confirm the evidence of a proxied name, or take the confirmation back.

    `observation` is already applied to `record`, which was `before`.
    """
    routing = record.dns.routing
    if routing is None or routing.kind is not RoutingKind.PROXIED:
        return record
    judged = _judge(routing, record, before, observation, now=now, policy=policy)
    status = RecordStatus.FOUND if judged.is_confirmed else RecordStatus.UNKNOWN
    keys = (each.key for each in wanted_records(record) if each.purpose is Purpose.ROUTING)
    statuses = {**record.dns.statuses, **dict.fromkeys(keys, status)}
    return replace(record, dns=replace(record.dns, routing=judged, statuses=statuses))


def _judge(
    routing: Routing,
    record: CustomHostname,
    before: CustomHostname,
    observation: Observation,
    *,
    now: datetime,
    policy: Policy,
) -> Routing:
    # Of a wildcard, Cloudflare checks the base name, whose traffic may go another way.
    if record.hostname.is_wildcard or not _is_active(record):
        return replace(routing, active_since=None, is_confirmed=False)
    since = routing.active_since or now
    asked = isinstance(observation.cloudflare, Found)
    stayed = asked and (observation.sent_at or now) - since >= policy.proxied_for
    confirmed = routing.is_confirmed or stayed or _turned_active(record, before)
    return replace(routing, active_since=since, is_confirmed=confirmed)


def _turned_active(record: CustomHostname, before: CustomHostname) -> bool:
    """Whether it was validated in real time, by its routing record, since the last answer.

    The name was seen proxied before, or is in this very check. An object that was not ours until
    now may have been validated by a token.
    """
    waited = before.cloudflare.id is not None and not _is_active(before)
    return waited and is_real_time(record)


def _is_active(record: CustomHostname) -> bool:
    known = record.cloudflare
    if known.id is None or known.seen is None:
        return False
    return hostname_meaning(known.seen) is HostnameMeaning.ACTIVE
