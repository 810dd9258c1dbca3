import pytest

from app.domain.custom_hostname import State
from app.domain.document import represent
from app.domain.reason import Reason

from .builders import (
    HERE,
    active_record,
    cloudflare_view,
    confirmed,
    decided,
    live_record,
    path,
    validating_record,
)

Row = tuple[State, Reason]

GOING: Row = (State.VALIDATING, Reason.AWAITING_CNAME)
LAPSED: Row = (State.VALIDATING, Reason.VALIDATION_LAPSED)
BLOCKED: Row = (State.FAILED, Reason.HOSTNAME_BLOCKED)
DONE: Row = (State.ACTIVE, Reason.AWAITING_CNAME)
STAYS: Row = (State.CNAME_VERIFIED, Reason.LIVE)
ANEW: Row = (State.VALIDATING, Reason.HOSTNAME_CHECK_PENDING)
MOVED: Row = (State.VALIDATING, Reason.MOVED_AWAY)

# Each hostname status, and what it makes of a validating name and of a live one.
HOSTNAME_STATUSES: dict[str, tuple[Row, Row]] = {
    "pending": (GOING, ANEW),
    "active": (DONE, STAYS),
    "active_redeploying": (DONE, STAYS),
    "moved": (LAPSED, MOVED),
    "deleted": (LAPSED, MOVED),
    "blocked": (BLOCKED, BLOCKED),
    "pending_blocked": (GOING, STAYS),
    "pending_deletion": (GOING, STAYS),
    "pending_migration": (GOING, STAYS),
    "pending_provisioned": (GOING, STAYS),
    "provisioned": (GOING, STAYS),
    "test_pending": (GOING, ANEW),
    "test_active": (GOING, STAYS),
    "test_active_apex": (GOING, STAYS),
    "test_blocked": (BLOCKED, BLOCKED),
    "test_failed": (GOING, ANEW),
}
INVENTED = ("", "quantum_pending", "ACTIVE", "active ")

CHECKING = Reason.CERTIFICATE_CHECK_PENDING
TIMED_OUT = Reason.CERTIFICATE_TIMED_OUT
DEPLOYING = Reason.CERTIFICATE_DEPLOYING
EXPIRED = Reason.CERTIFICATE_EXPIRED

# Each certificate status other than active, and the reason it gives a name that validates.
CERTIFICATE_STATUSES = {
    "initializing": CHECKING,
    "pending_validation": CHECKING,
    "pending_issuance": Reason.CERTIFICATE_ISSUING,
    "pending_deployment": DEPLOYING,
    "pending_expiration": CHECKING,
    "expired": EXPIRED,
    "pending_deletion": CHECKING,
    "deleted": EXPIRED,
    "pending_cleanup": CHECKING,
    "initializing_timed_out": TIMED_OUT,
    "validation_timed_out": TIMED_OUT,
    "issuance_timed_out": TIMED_OUT,
    "deployment_timed_out": TIMED_OUT,
    "deletion_timed_out": TIMED_OUT,
    "backup_issued": DEPLOYING,
    "holding_deployment": DEPLOYING,
    "staging_deployment": DEPLOYING,
    "staging_active": DEPLOYING,
    "deactivating": CHECKING,
    "inactive": EXPIRED,
}
ENDED = ("expired", "deleted", "inactive")


def test_the_tables_hold_every_status_cloudflare_names() -> None:
    assert len(HOSTNAME_STATUSES) == 16
    assert len({"active", *CERTIFICATE_STATUSES}) == 21


@pytest.mark.parametrize(
    ("status", "row"), [(status, rows[0]) for status, rows in HOSTNAME_STATUSES.items()]
)
def test_a_hostname_status_of_a_validating_name(status: str, row: Row) -> None:
    seen = decided(validating_record(), cloudflare=cloudflare_view(status=status))
    assert (seen.record.state, seen.record.reason) == row
    assert path(seen) == ([] if row[0] is State.VALIDATING else [str(row[0])])


@pytest.mark.parametrize(
    ("status", "row"), [(status, rows[1]) for status, rows in HOSTNAME_STATUSES.items()]
)
def test_a_hostname_status_of_a_live_name(status: str, row: Row) -> None:
    look = decided if row[0] is State.CNAME_VERIFIED else confirmed
    seen = look(live_record(), cloudflare=cloudflare_view(status=status))
    assert (seen.record.state, seen.record.reason) == row
    assert path(seen) == ([] if row[0] is State.CNAME_VERIFIED else [str(row[0])])


@pytest.mark.parametrize("status", INVENTED)
def test_an_invented_hostname_status_is_still_going(status: str) -> None:
    view = cloudflare_view(status=status)
    assert decided(validating_record(), cloudflare=view).record.state is State.VALIDATING
    assert decided(live_record(), cloudflare=view).record.state is State.CNAME_VERIFIED


@pytest.mark.parametrize(("ssl_status", "reason"), CERTIFICATE_STATUSES.items())
def test_a_certificate_status_of_a_validating_name(ssl_status: str, reason: Reason) -> None:
    record = validating_record(routing=HERE)
    seen = decided(record, cloudflare=cloudflare_view(ssl_status=ssl_status))
    assert (seen.record.state, seen.record.reason) == (State.VALIDATING, reason)
    assert seen.steps == ()


def test_the_last_of_both_statuses_to_become_active_makes_it_active() -> None:
    seen = decided(validating_record(), cloudflare=cloudflare_view(ssl_status="active"))
    assert path(seen) == ["active"]


@pytest.mark.parametrize("ssl_status", [*INVENTED, None])
def test_an_invented_certificate_status_is_still_going(ssl_status: str | None) -> None:
    view = cloudflare_view(ssl_status=ssl_status)
    validating = decided(validating_record(routing=HERE), cloudflare=view).record
    assert (validating.state, validating.reason) == (State.VALIDATING, CHECKING)
    assert decided(live_record(), cloudflare=view).record.state is State.CNAME_VERIFIED


@pytest.mark.parametrize("ssl_status", [s for s in CERTIFICATE_STATUSES if s not in ENDED])
def test_a_renewal_does_not_take_a_live_name_down(ssl_status: str) -> None:
    seen = decided(live_record(), cloudflare=cloudflare_view(ssl_status=ssl_status))
    assert (seen.steps, seen.record.state) == ((), State.CNAME_VERIFIED)
    assert represent(seen.record)["serving"] is True


@pytest.mark.parametrize("ssl_status", [s for s in CERTIFICATE_STATUSES if s not in ENDED])
def test_a_renewal_does_not_take_an_active_name_back(ssl_status: str) -> None:
    seen = decided(active_record(), cloudflare=cloudflare_view(ssl_status=ssl_status))
    assert (seen.steps, seen.record.state) == ((), State.ACTIVE)


@pytest.mark.parametrize("ssl_status", ENDED)
def test_a_certificate_that_ended_takes_a_live_name_down(ssl_status: str) -> None:
    seen = confirmed(live_record(), cloudflare=cloudflare_view(ssl_status=ssl_status))
    assert path(seen) == ["validating"]
    assert seen.record.reason is EXPIRED
    assert represent(seen.record)["serving"] is False


def test_a_name_back_in_validation_needs_both_statuses_again() -> None:
    down = confirmed(live_record(), cloudflare=cloudflare_view(ssl_status="expired")).record
    renewing = decided(down, cloudflare=cloudflare_view(ssl_status="pending_deployment"))
    assert (renewing.record.state, renewing.record.reason) == (State.VALIDATING, DEPLOYING)
    assert path(decided(down, cloudflare=cloudflare_view())) == ["active", "cname_verified"]


def test_the_raw_statuses_are_kept() -> None:
    view = cloudflare_view(status="quantum_pending", ssl_status="staging_active")
    shown = represent(decided(validating_record(), cloudflare=view).record)["cloudflare"]
    assert (shown["hostname_status"], shown["ssl_status"]) == ("quantum_pending", "staging_active")
