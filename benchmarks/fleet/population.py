"""Who adds names, and when their tenants act: random by seed, each choice with its reason.

Providers do not publish such figures. These are assumptions, stated so that they can be disputed.

* **When names are added.** A name is added when a tenant clicks in the product: on working days,
  from 8 to 18 o'clock, mostly around 10 and 15. One tenth comes all at once, as when a provider
  moves its tenants. That fills the queue of creations, of which Cloudflare takes 15 a minute.
* **How late tenants act.** There are three kinds. 40 % are at their DNS provider already: a
  lognormal time with median 5 minutes. 45 % have to ask a colleague or an agency: median 3 hours.
  15 % put it off: median 26 hours. All of them act within three days; tenants who never act are a
  kind of their own.
* **Never** (8 %): trials that are dropped. They cost calls and bring no activation.
* **Mistyped** (10 %): the record points elsewhere, or its value was cut when it was copied. Most
  tenants see it on the set-up page and correct it after a lognormal time with median 40 minutes.
* **CAA** (2 %): the domain has a CAA set that names another authority. It is corrected after a
  median of four hours, without a refresh.
* **Proxied** (2 %): the tenant's own Cloudflare zone proxies the CNAME, so public DNS shows
  Cloudflare's addresses and no CNAME.
* **Plans.** 70 % `simple` (the default), 30 % `zero_downtime`. Of these, 30 % add the second TXT
  record 2 to 20 minutes after the first, because DNS providers' forms take one record at a time.
  The CNAME is switched some time after both statuses are active (median one hour: when few
  visitors come).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.custom_hostname import Plan

BEGINS_AT = datetime(2027, 1, 18, tzinfo=UTC)
"""A Monday."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

NEVER, MISTYPED, CAA, PROXIED = 0.08, 0.10, 0.02, 0.02
ZERO_DOWNTIME = 0.30
ONE_BY_ONE = 0.30
MOVED_TOGETHER = 0.10
LATEST = 3 * DAY
WORKDAYS = 5

_HOURS = tuple(range(8, 18))
_BUSY = (2, 4, 6, 5, 2, 4, 5, 6, 4, 2)
"""How many names are added in each of these hours, relative to one another."""
_KINDS_OF_TENANT = ((0.40, 5 * MINUTE, 1.0), (0.45, 3 * HOUR, 1.0), (0.15, 26 * HOUR, 0.5))
"""Share, median and sigma of how late a tenant acts."""
_SOONEST = 20.0


class Trouble(StrEnum):
    """What goes wrong with a name."""

    NONE = "none"
    NEVER = "never acts"
    MISTYPED = "mistyped"
    CAA = "CAA forbids"
    PROXIED = "proxied"


@dataclass(frozen=True, slots=True)
class Member:
    """One name of the fleet. Times are in seconds; `added_at` counts from the beginning."""

    number: int
    plan: Plan
    trouble: Trouble
    added_at: float
    acts_after: float
    """From the addition of the name to the tenant's first record."""
    second_after: float
    """From the first to the second record, if they are added one by one."""
    mends_after: float
    """From the last record to the correction of what was wrong."""
    switches_after: float
    """From both statuses being active to the CNAME, with plan `zero_downtime`."""

    @property
    def hostname(self) -> str:
        """The name."""
        return f"shop.tenant-{self.number:05d}.com"

    @property
    def domain(self) -> str:
        """The tenant's domain."""
        return f"tenant-{self.number:05d}.com"

    @property
    def tenant(self) -> str:
        """The tenant."""
        return f"tenant-{self.number}"


def draw(*, names: int, days: int, seed: int) -> list[Member]:
    """Make a fleet at random. The same seed makes the same fleet."""
    source = random.Random(f"{seed}:fleet")  # noqa: S311 - no secret
    together_at = min(1, days - 1) * DAY + 9.5 * HOUR
    members = []
    for number in range(names):
        together = number < names * MOVED_TOGETHER
        added_at = together_at if together else _working_hour(source, days)
        members.append(_member(source, number, added_at))
    return sorted(members, key=lambda member: member.added_at)


def _member(source: random.Random, number: int, added_at: float) -> Member:
    plan = Plan.ZERO_DOWNTIME if source.random() < ZERO_DOWNTIME else Plan.SIMPLE
    one_by_one = plan is Plan.ZERO_DOWNTIME and source.random() < ONE_BY_ONE
    trouble = _trouble(source)
    mends_median = 4 * HOUR if trouble is Trouble.CAA else 40 * MINUTE
    return Member(
        number=number,
        # A proxied name cannot be validated by a token.
        plan=Plan.SIMPLE if trouble is Trouble.PROXIED else plan,
        trouble=trouble,
        added_at=added_at,
        acts_after=_lateness(source),
        second_after=source.uniform(2 * MINUTE, 20 * MINUTE) if one_by_one else 0.0,
        mends_after=min(_lognormal(source, mends_median, 1.0), DAY),
        switches_after=_lognormal(source, HOUR, 1.0),
    )


def _trouble(source: random.Random) -> Trouble:
    drawn = source.random()
    for trouble, share in (
        (Trouble.NEVER, NEVER),
        (Trouble.MISTYPED, MISTYPED),
        (Trouble.CAA, CAA),
        (Trouble.PROXIED, PROXIED),
    ):
        if drawn < share:
            return trouble
        drawn -= share
    return Trouble.NONE


def _working_hour(source: random.Random, days: int) -> float:
    day = source.randrange(days)
    hour = source.choices(_HOURS, _BUSY)[0]
    weekend = 2 * (day // WORKDAYS)
    return (day + weekend) * DAY + hour * HOUR + source.uniform(0, HOUR)


def _lateness(source: random.Random) -> float:
    shares = [share for share, _, _ in _KINDS_OF_TENANT]
    _, median, sigma = source.choices(_KINDS_OF_TENANT, shares)[0]
    return min(max(_lognormal(source, median, sigma), _SOONEST), LATEST)


def _lognormal(source: random.Random, median: float, sigma: float) -> float:
    return source.lognormvariate(math.log(median), sigma)
