"""The results of a simulation: figures, rows of the table, and where calls and minutes went."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.domain.rate_limit import Limits
from benchmarks.fleet.baselines import active_alone_at, naive_calls
from benchmarks.fleet.population import Trouble
from benchmarks.fleet.simulation import Outcome, Story
from benchmarks.row import Row
from sandbox.identifiers import Waits

MOST_CALLS = 8.0
MOST_MEDIAN = 120.0
MOST_P95 = 300.0
WORST = 8


@dataclass(frozen=True, slots=True)
class Alone:
    """One name without Nameplate, by Cloudflare's own schedule."""

    active_at: float
    naive_calls: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of P3 and P4. Lists are sorted."""

    calls: list[float]
    calls_divided: list[float]
    naive: list[float]
    waits: list[float]
    alone: list[float]
    never_calls: list[float]
    unfinished: int
    """Tenants who acted, or would have, and whose names were not active at the end."""
    ready_but_not_active: int


def figures(outcome: Outcome) -> Figures:
    """Calculate the figures."""
    done = [story for story in outcome.stories if math.isfinite(story.active_at)]
    alone = {id(story): _alone(story, outcome) for story in done}
    never = [s for s in outcome.stories if s.member.trouble is Trouble.NEVER]
    open_ = [s for s in outcome.stories if s not in done and s not in never]
    return Figures(
        calls=sorted(story.bill.total for story in done),
        calls_divided=sorted(story.bill.total_divided for story in done),
        naive=sorted(float(alone[id(story)].naive_calls) for story in done),
        waits=sorted(story.active_at - story.ready_at for story in done),
        alone=sorted(alone[id(story)].active_at - story.ready_at for story in done),
        never_calls=sorted(story.bill.total for story in never),
        unfinished=len(open_),
        ready_but_not_active=sum(math.isfinite(story.ready_at) for story in open_),
    )


def _alone(story: Story, outcome: Outcome) -> Alone:
    at = active_alone_at(story.need, Waits(outcome.seed))
    active_at = outcome.ends_at if at is None else at
    return Alone(active_at, naive_calls(story.added_at, active_at))


def quantile(ascending: Sequence[float], part: float) -> float:
    """Return the value that `part` of all do not exceed (nearest rank)."""
    return ascending[max(math.ceil(len(ascending) * part) - 1, 0)] if ascending else math.nan


def rows(outcome: Outcome) -> dict[str, list[Row]]:
    """Return the rows of P3 and of P4."""
    found = figures(outcome)
    return {"P3": _calls_rows(outcome, found), "P4": _wait_rows(found)}


def _calls_rows(outcome: Outcome, found: Figures) -> list[Row]:
    median, naive = statistics.median(found.calls), statistics.median(found.naive)
    refused = outcome.breaches + outcome.creations_refused
    return [
        Row(
            id="P3",
            figure=f"calls per activation, median of {len(found.calls)}",
            value=round(median, 2),
            unit="calls",
            beside=f"a GET each minute: {naive:,.0f} calls",
            ratio=round(median / naive, 4),
            aim=f"at most {MOST_CALLS:.0f} calls",
            met=median <= MOST_CALLS,
        ),
        Row(
            id="P3",
            figure="calls refused (budget breached, creations past 15 a minute)",
            value=refused,
            unit="calls",
            beside=f"most in five minutes: {outcome.most_in_window:,} of {Limits().calls:,}",
            ratio=round(outcome.most_in_window / Limits().calls, 3),
            aim="none",
            met=refused == 0,
        ),
    ]


def _wait_rows(found: Figures) -> list[Row]:
    return [
        _wait_row(found, "median", 0.5, MOST_MEDIAN),
        _wait_row(found, "95th of 100", 0.95, MOST_P95),
    ]


def _wait_row(found: Figures, what: str, part: float, most: float) -> Row:
    ours, alone = quantile(found.waits, part), quantile(found.alone, part)
    return Row(
        id="P4",
        figure=f"DNS to active, {what}",
        value=round(ours, 1),
        unit="s",
        beside=f"Cloudflare's back-off alone: {_duration(alone)}",
        ratio=round(ours / alone, 4),
        aim=f"under {most:.0f} s",
        met=ours < most,
    )


def summary(outcome: Outcome) -> str:
    """Return all figures that are asked for, one per line."""
    found, limits = figures(outcome), Limits()
    seconds = outcome.ends_at - min(story.added_at for story in outcome.stories)
    ours = limits.spendable / limits.window * seconds
    return "\n".join(
        (
            (
                f"{len(outcome.stories)} names: {len(found.calls)} active, "
                f"{len(found.never_calls)} never act, {found.unfinished} still waiting at the end "
                f"({found.ready_but_not_active} of them for Cloudflare)"
            ),
            f"calls per activation     {_spread(found.calls)}, total {sum(found.calls):,.0f}",
            f"  pages wholly divided   {_spread(found.calls_divided)}",
            f"  naive, GET a minute    {_spread(found.naive)}, total {sum(found.naive):,.0f}",
            f"never-active names       {_spread(found.never_calls)} calls each so far",
            f"DNS to active            {_spread(found.waits, _duration)}",
            f"  back-off alone         {_spread(found.alone, _duration)}",
            (
                f"calls in all             {outcome.total_calls:,}, {outcome.pages:,} of them "
                f"pages; {outcome.total_calls / ours:.1%} of what the budget allowed; most in five "
                f"minutes {outcome.most_in_window:,}"
            ),
            f"breaches                 {outcome.breaches} (counted by the emulator)",
            (
                f"creations                {outcome.most_creations} a minute at most, "
                f"{outcome.creations_refused} refused"
            ),
            (
                f"simulated                {outcome.steps:,} steps, {outcome.ticks:,} ticks, "
                f"{outcome.looks:,} looks at DNS and {outcome.passed_over:,} passed over, "
                f"in {outcome.real_seconds:,.0f} s"
            ),
        )
    )


def explanation(outcome: Outcome) -> str:
    """Say where the calls and the minutes went."""
    done = [story for story in outcome.stories if math.isfinite(story.active_at)]
    lines = ["", "where the calls went (median a name; own calls before and after DNS was right)"]
    lines.append(f"{'':28} names  create  refresh    get  before  after  pages/50   all")
    lines += [_calls_line(what, some) for what, some in _groups(done)]
    lines += ["", "where the time went (median, 95th), by the certificate's course"]
    lines.append(f"{'':28} names  {'until validated':>17} {'issuance':>15} {'until recorded':>15}")
    lines += [_wait_line(what, some, outcome) for what, some in _groups(done)]
    lines += ["", "the longest waits"]
    worst = sorted(done, key=lambda story: story.ready_at - story.active_at)[:WORST]
    lines += [_story_line(story) for story in worst]
    lines += ["", "the most calls"]
    dear = sorted(done, key=lambda story: -story.bill.total)[:WORST]
    lines += [_story_line(story) for story in dear]
    lines += ["", f"calls by route: {outcome.by_route}", f"real seconds: {outcome.by_phase}"]
    return "\n".join(lines)


def _groups(stories: Sequence[Story]) -> Iterable[tuple[str, list[Story]]]:
    yield "all", list(stories)
    counted = Counter((str(s.member.plan), str(s.member.trouble)) for s in stories)
    for plan, trouble in sorted(counted):
        some = [s for s in stories if (s.member.plan, s.member.trouble) == (plan, trouble)]
        yield f"{plan}, {trouble}", some


def _calls_line(what: str, some: Sequence[Story]) -> str:
    def median(of: Callable[[Story], float]) -> float:
        return statistics.median(of(story) for story in some)

    return (
        f"{what:28} {len(some):5} {median(lambda s: s.bill.calls['create']):7.0f} "
        f"{median(lambda s: s.bill.calls['refresh']):8.0f} "
        f"{median(lambda s: s.bill.calls['get']):6.1f} {median(lambda s: s.own_calls_before):7.1f} "
        f"{median(lambda s: s.bill.own - s.own_calls_before):6.1f} "
        f"{median(lambda s: s.bill.listed / 50):9.2f} {median(lambda s: s.bill.total):5.1f}"
    )


def _wait_line(what: str, some: Sequence[Story], outcome: Outcome) -> str:
    waits = Waits(outcome.seed)

    def issuance(story: Story) -> float:
        return sum(waits.issuance_and_deployment(story.member.hostname, 1))

    parts = (
        sorted(s.issued_at - issuance(s) - s.ready_at for s in some),
        sorted(issuance(s) for s in some),
        sorted(s.active_at - s.issued_at for s in some),
    )
    shown = (f"{quantile(each, 0.5):6.0f} s {quantile(each, 0.95):5.0f} s" for each in parts)
    return f"{what:28} {len(some):5}  " + " ".join(shown)


def _story_line(story: Story) -> str:
    member, bill = story.member, story.bill
    return (
        f"{member.hostname:24} {member.plan:13} {member.trouble:11} "
        f"wait {_duration(story.active_at - story.ready_at):>8}  tenant late "
        f"{_duration(story.ready_at - story.added_at):>8}  "
        f"{dict(bill.calls)}, {bill.listed} pages"
    )


def _spread(ascending: Sequence[float], shown: Callable[[float], str] | None = None) -> str:
    say = shown or (lambda value: f"{value:,.1f}")
    return f"median {say(quantile(ascending, 0.5))}, 95th {say(quantile(ascending, 0.95))}"


def _duration(seconds: float) -> str:
    if seconds < 600:  # noqa: PLR2004 - minutes that are read best as seconds
        return f"{seconds:,.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3600:,.1f} h"
