"""What is told of a hostname besides its steps: new records, and the tenant's turn. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.events import EventType
from app.domain.guidance import is_tenants_turn
from app.domain.plan import records_complete, renews_itself, wanted_records
from app.domain.reason import Reason, WaitingOn

# It is looked at again before anything is concluded: no action is asked for yet.
_NOT_YET = frozenset({Reason.CNAME_CONTRADICTED})


def find_notices(
    before: CustomHostname, after: CustomHostname, *, stepped: bool
) -> tuple[EventType, ...]:
    """Name the notices, in the order in which they are told after the steps."""
    return tuple(_notices(before, after, stepped=stepped))


def note_told(
    after: CustomHostname, notices: tuple[EventType, ...], *, stepped: bool
) -> CustomHostname:
    """Keep what the tenant was told, by a notice or by the step that brought the reason."""
    told = after.watch.told_reasons
    if after.reason.waiting_on is WaitingOn.NOBODY:
        told = frozenset()
    elif stepped:
        told = frozenset({after.reason}) if is_tenants_turn(after) else frozenset()
    elif EventType.ACTION_REQUIRED in notices:
        told |= {after.reason}
    return replace(after, watch=replace(after.watch, told_reasons=told))


def _notices(
    before: CustomHostname, after: CustomHostname, *, stepped: bool
) -> Iterator[EventType]:
    if after.desired is Desired.ABSENT:
        return
    renewed = after.cloudflare.id is not None and _has_new_records(before, after)
    if renewed:
        yield EventType.RECORDS_CHANGED
    if not stepped and _asks_the_tenant(before, after, renewed=renewed):
        yield EventType.ACTION_REQUIRED


def _has_new_records(before: CustomHostname, after: CustomHostname) -> bool:
    """Whether the list became complete, or was and is another now.

    Tokens that served stay in the list; what vanishes from it was replaced. A live name that is
    renewed over HTTP by itself gets new tokens, too, and needs none of them.
    """
    if not records_complete(after) or after.state is State.FAILED or renews_itself(after):
        return False
    if not records_complete(before):
        return True
    return {r.key for r in wanted_records(before)} != {r.key for r in wanted_records(after)}


def _asks_the_tenant(before: CustomHostname, after: CustomHostname, *, renewed: bool) -> bool:
    reason = after.reason
    if reason in _NOT_YET or not is_tenants_turn(after):
        return False
    if renewed:
        # What it was told before was to add other values.
        return True
    is_news = reason is not before.reason or not is_tenants_turn(before)
    return is_news and reason not in after.watch.told_reasons
