"""Random histories of `x.com` and `*.x.com`: in the end Cloudflare has what is wanted, once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.custom_hostname import CustomHostname, Desired, Plan, Sibling, State
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    Found,
    NotAsked,
    Observation,
    Unknown,
)
from app.domain.options import Options, Tls
from app.domain.plan import wanted_spec
from app.domain.reconcile.decide import decide
from app.domain.siblings import has_confirmed, join, with_current_spec

from .builders import NAME, NOW, POLICY, cloudflare_view, hostname_record

NAMES = (NAME, f"*.{NAME}")
OTHER = Options(tls=Tls(http2="on"))

moves = st.one_of(
    st.tuples(st.just("tick"), st.integers(0, 1), st.sampled_from(["fine", "lost"])),
    st.tuples(st.just("act"), st.integers(0, 1), st.sampled_from(["fine", "lost", "unheard"])),
    st.tuples(st.just("remove"), st.integers(0, 1), st.just("")),
    st.tuples(st.just("change"), st.integers(0, 1), st.just("")),
)


@dataclass
class World:
    """Cloudflare's one object, and both records as they are kept."""

    records: list[CustomHostname]
    there: tuple[str, ObjectSpec] | None = None
    begun: dict[int, tuple[CustomHostname, Action]] = field(default_factory=dict)
    """Acts that began, with the record as it was then: their ticks hold the lease."""
    now: datetime = NOW
    ids: count[int] = field(default_factory=count)
    deleted_under_a_wish: bool = False

    def read(self, at: int) -> CustomHostname:
        record, other = self.records[at], self.records[1 - at]
        gone = State.DELETED in {record.state, other.state}
        known = other.cloudflare
        sibling = Sibling(
            id=other.id,
            hostname=other.hostname,
            desired=other.desired,
            state=other.state,
            has_begun=known.create_started_at is not None,
            cloudflare_id=known.id,
            applied=known.applied,
            in_flight=known.in_flight,
        )
        return replace(record, sibling=None if gone else sibling)

    def save(self, at: int, record: CustomHostname, read: CustomHostname) -> CustomHostname:
        """Keep it with the wishes of now, and hand on what was confirmed."""
        before = self.records[at]
        record = replace(record, desired=before.desired, options=before.options)
        record = with_current_spec(record, read=read, current=before)
        self.records[at] = replace(record, sibling=None)
        other, known = self.records[1 - at], record.cloudflare
        linked = before.cloudflare.id is not None
        if linked and has_confirmed(record, before) and other.cloudflare.id == before.cloudflare.id:
            shared = replace(other.cloudflare, applied=known.applied, in_flight=None)
            self.records[1 - at] = replace(other, cloudflare=shared)
        return record

    def tick(self, at: int, how: str) -> None:
        self.now += timedelta(seconds=61)
        if at in self.begun or self.records[at].state is State.DELETED:
            return
        record = join(self.read(at))
        seen: CloudflareView = NotAsked()
        if record.cloudflare.id is not None and record.desired is Desired.PRESENT:
            seen = self.view() if how == "fine" else Unknown("timeout")
        if record.cloudflare.id is None and record.desired is Desired.ABSENT:
            seen = self.view() if how == "fine" else Unknown("timeout")
        transition = decide(record, Observation(cloudflare=seen), now=self.now, policy=POLICY)
        kept = self.save(at, transition.record, record)
        if transition.action is not None:
            self.begun[at] = (kept, transition.action)

    def action(self, at: int, how: str) -> None:
        if at not in self.begun:
            return
        record, action = self.begun.pop(at)
        answer = Unknown("timeout") if how == "lost" else self.perform(record, action)
        if how == "unheard":
            answer = Unknown("timeout")
        performed = Observation(cloudflare=answer, performed=action)
        self.save(at, decide(record, performed, now=self.now, policy=POLICY).record, record)

    def perform(self, record: CustomHostname, action: Action) -> CloudflareView:
        match action:
            case Action.CREATE if self.there is None:
                self.there = (f"cf-{next(self.ids)}", wanted_spec(record))
            case Action.EDIT if self.there is not None and self.there[0] == record.cloudflare.id:
                self.there = (self.there[0], record.cloudflare.in_flight or wanted_spec(record))
            case Action.DELETE if self.there is not None and self.there[0] == record.cloudflare.id:
                present = (r for r in self.records if r.desired is Desired.PRESENT)
                linked = [r for r in present if r.cloudflare.id == record.cloudflare.id]
                self.deleted_under_a_wish |= bool(linked)
                self.there = None
            case _:
                pass
        return self.view()

    def view(self) -> CloudflareView:
        if self.there is None:
            return Absent()
        view: CloudflareHostname = cloudflare_view(wildcard=self.there[1].wildcard)
        return Found(replace(view, id=self.there[0], created_at=self.now))

    def settle(self, rounds: int = 12) -> None:
        for _ in range(rounds):
            for at in (0, 1):
                self.tick(at, "fine")
                self.action(at, "fine")


def a_world() -> World:
    made = [hostname_record(name=name, plan=Plan.DELEGATED) for name in NAMES]
    return World([replace(r, id=f"record-{at}") for at, r in enumerate(made)])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0, 1, 12]), st.lists(moves, min_size=6, max_size=30))
def test_in_the_end_cloudflare_has_one_object_that_is_as_wanted(
    rounds: int, history: list[tuple[str, int, str]]
) -> None:
    world = a_world()
    world.settle(rounds)
    for what, at, how in history:
        match what:
            case "tick":
                world.tick(at, how)
            case "act":
                world.action(at, how)
            case "remove":
                world.records[at] = replace(world.records[at], desired=Desired.ABSENT)
            case _:
                world.records = [replace(r, options=OTHER) for r in world.records]
    world.settle()
    wanted = [r for r in world.records if r.desired is Desired.PRESENT]
    assert not world.deleted_under_a_wish
    assert [r.state for r in world.records if r not in wanted] == [State.DELETED] * (
        2 - len(wanted)
    )
    if not wanted:
        assert world.there is None
        return
    assert world.there is not None
    cloudflare_id, spec = world.there
    assert {r.cloudflare.id for r in wanted} == {cloudflare_id}
    assert spec == wanted_spec(replace(world.read(world.records.index(wanted[0]))))
    assert spec.wildcard is any(r.hostname.is_wildcard for r in wanted)
    assert {r.state for r in wanted} == {State.ACTIVE}


def test_the_base_of_both_names_is_one() -> None:
    assert {Hostname(name).base for name in NAMES} == {NAME}
