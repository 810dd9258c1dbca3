"""What Cloudflare says against a hostname is believed at a second look. Pure.

One answer may come from a part of Cloudflare that has not caught up, or be about a change that is
taken back within the minute; taking a name down, or forgetting its id, is dear.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.absorb import answered
from app.domain.cloudflare_status import both_active
from app.domain.custom_hostname import LIVE, CustomHostname, Desired, State
from app.domain.observation import Absent, Act, Found, NotAsked, Observation, Side, Unknown
from app.domain.schedule import Policy, confirm_after

EARLY = timedelta(seconds=5)
"""How much earlier than its appointment a second look may come."""


def take_in(
    record: CustomHostname, observation: Observation, *, now: datetime
) -> tuple[CustomHostname, Observation]:
    """Note when the question was sent, and drop an answer to an earlier one than was answered.

    A page of a list can arrive after a look that was sent later. A view under another id than the
    record's is of something else, and no answer either; so is any view of a record that is still to
    be created, whose POST alone says what is ours. What answers an act is always taken.
    """
    acted = observation.acted is not None
    if isinstance(observation.cloudflare, NotAsked):
        return record, observation
    if isinstance(observation.cloudflare, Unknown) and not acted:
        return record, observation
    if not acted and (_is_late(record, observation) or _is_of_another(record, observation)):
        return record, replace(observation, cloudflare=NotAsked())
    sent = observation.sent_at or now
    viewed = max(sent, record.watch.viewed_at or sent)
    return replace(record, watch=replace(record.watch, viewed_at=viewed)), observation


def weigh(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> tuple[CustomHostname, Observation]:
    """Begin, keep or end the doubt; an absence in doubt is taken out of the observation."""
    if record.desired is Desired.ABSENT:
        return _with_doubt(record, None), observation
    if not isinstance(observation.cloudflare, Found | Absent):
        return record, observation
    if not speaks_against(record, observation):
        return _with_doubt(record, None), observation
    if _is_believed(record, observation, now=now, policy=policy):
        return _with_doubt(record, None), observation
    doubted = _with_doubt(record, record.watch.doubted_at or now)
    if isinstance(observation.cloudflare, Absent):
        doubted = replace(doubted, watch=answered(doubted.watch))
        return doubted, replace(observation, cloudflare=NotAsked())
    return doubted, observation


def speaks_against(record: CustomHostname, observation: Observation) -> bool:
    """Whether the look says that a hostname is gone, or that a live one is live no more."""
    if record.desired is Desired.ABSENT or observation.acted in {Act.CREATE, Act.DELETE}:
        return False
    match observation.cloudflare:
        case Absent():
            return record.cloudflare.id is not None
        case Found(view):
            return record.state in LIVE and not both_active(view, live=True)
        case _:
            return False


def looked_at(record: CustomHostname, observation: Observation) -> frozenset[Side]:
    """The sides that gave a clear answer about a live hostname, and so could contradict it.

    DNS contradicts a `cname_verified` name alone: of an `active` one it is not known to lead here.
    """
    if observation.acted in {Act.CREATE, Act.DELETE} or record.desired is Desired.ABSENT:
        return frozenset()
    sides = set()
    if record.state is State.CNAME_VERIFIED and isinstance(observation.dns.routing, Found):
        sides.add(Side.DNS)
    if record.state in LIVE and isinstance(observation.cloudflare, Found | Absent):
        sides.add(Side.CLOUDFLARE)
    return frozenset(sides)


def first_contradicted(record: CustomHostname, observation: Observation) -> frozenset[Side]:
    """Those of `looked_at` that contradict, and did not in the look before."""
    return frozenset(
        side for side in looked_at(record, observation) if _contradicts(side, record, observation)
    )


def _contradicts(side: Side, record: CustomHostname, observation: Observation) -> bool:
    match side:
        case Side.DNS:
            routing = observation.dns.routing
            away = isinstance(routing, Found) and not routing.value.points_at_target
            return away and record.watch.contradicted_at is None
        case Side.CLOUDFLARE:
            return speaks_against(record, observation) and record.watch.doubted_at is None


def _is_late(record: CustomHostname, observation: Observation) -> bool:
    sent, viewed = observation.sent_at, record.watch.viewed_at
    return sent is not None and viewed is not None and sent <= viewed


def _is_of_another(record: CustomHostname, observation: Observation) -> bool:
    known, seen = record.cloudflare.id, observation.cloudflare
    if not isinstance(seen, Found) or (known is None and record.desired is Desired.ABSENT):
        return False
    return seen.value.id != known


def _is_believed(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> bool:
    if record.watch.removal is not None:
        return True
    doubted = record.watch.doubted_at
    sent = observation.sent_at or now
    return doubted is not None and sent - doubted >= confirm_after(record, now, policy) - EARLY


def _with_doubt(record: CustomHostname, doubted_at: datetime | None) -> CustomHostname:
    return replace(record, watch=replace(record.watch, doubted_at=doubted_at))
