import json
from dataclasses import replace
from datetime import datetime

import pytest

from app.domain.custom_hostname import CustomHostname, DnsSeen, Plan, RecordStatus, State
from app.domain.document import add_moment, represent, represent_records
from app.domain.observation import Refused, Routing, RoutingKind

from .builders import (
    ELSEWHERE,
    HERE,
    NAME,
    NOW,
    NOWHERE,
    TARGET,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    decided,
    deleted_record,
    deleting_record,
    every_state,
    live_record,
    pending_record,
    validating_record,
)

FIELDS = {
    *("id", "hostname", "tenant", "zone", "plan", "state", "reason", "message", "waiting_on"),
    *("switch_safe", "serving", "records", "records_complete", "cloudflare", "dns", "revision"),
    *("created_at", "updated_at", "activated_at"),
}
STATES = [pytest.param(r, id=f"{number}-{r.state}") for number, r in enumerate(every_state())]


@pytest.mark.parametrize("record", STATES)
def test_the_document_has_every_promised_field_as_plain_json(record: CustomHostname) -> None:
    document = add_moment(represent(record), next_check_at=NOW)
    assert set(document) >= FIELDS | {"next_check_at"}
    assert set(document["cloudflare"]) >= {"id", "hostname_status", "ssl_status"}
    assert set(document["dns"]) == {"points_at_target", "evidence", "error"}
    assert json.loads(json.dumps(document)) == document


def test_a_live_record_as_it_is_shown() -> None:
    record = replace(live_record(), metadata={"shop": 7}, revision=3, updated_at=at(60))
    record = replace(record, labels={"team": "blue"})
    assert represent(record) == {
        "id": "record-1",
        "hostname": NAME,
        "tenant": "tenant-1",
        "zone": "zone-1",
        "plan": "simple",
        "dcv_method": "http",
        "ownership_method": "realtime",
        "certificate_authority": None,
        "custom_origin_server": None,
        "custom_origin_sni": None,
        "tls": {
            "min_tls_version": None,
            "tls_1_3": None,
            "http2": None,
            "early_hints": None,
            "ciphers": None,
        },
        "custom_metadata": {},
        "state": "cname_verified",
        "reason": "live",
        "message": "The hostname is live.",
        "waiting_on": "nobody",
        "switch_safe": True,
        "serving": True,
        "records": [
            {
                "type": "CNAME",
                "name": NAME,
                "value": TARGET,
                "purpose": "routing",
                "when": "with",
                "status": "found",
                "note": None,
                "found": [],
                "found_at": None,
            }
        ],
        "records_complete": True,
        "next": None,
        "warning": None,
        "cloudflare": {
            "id": "cf-1",
            "hostname_status": "active",
            "ssl_status": "active",
            "errors": [],
            "custom_metadata": "none",
        },
        "dns": {
            "points_at_target": True,
            "evidence": {"kind": "cname", "chain": [TARGET], "addresses": ["192.0.2.1"]},
            "error": None,
        },
        "redirect_to": None,
        "metadata": {"shop": 7},
        "labels": {"team": "blue"},
        "name_released_at": None,
        "revision": 3,
        "created_at": "2026-03-02T12:00:00+00:00",
        "updated_at": "2026-03-02T12:01:00+00:00",
        "activated_at": "2026-03-02T12:00:00+00:00",
        "verified_at": "2026-03-02T12:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("routing", "points"),
    [
        (None, None),
        (HERE, True),
        (Routing(RoutingKind.FLATTENED), True),
        (ELSEWHERE, False),
        (NOWHERE, False),
    ],
)
def test_dns_points_here_or_not_or_nobody_knows(
    *, routing: Routing | None, points: bool | None
) -> None:
    assert represent(validating_record(routing=routing))["dns"]["points_at_target"] is points


@pytest.mark.parametrize(
    ("record", "serving"),
    [
        (pending_record(), False),
        (validating_record(), False),
        (active_record(), False),
        (live_record(), True),
        (live_record(view=cloudflare_view(ssl_status="pending_issuance")), True),
        (blocked_record(), False),
        (deleting_record(), False),
        (deleted_record(), False),
    ],
)
def test_a_name_serves_when_it_is_live_or_live_and_renewing(
    *, record: CustomHostname, serving: bool
) -> None:
    assert represent(record)["serving"] is serving


@pytest.mark.parametrize(
    ("record", "safe"),
    [
        pytest.param(pending_record(), False, id="pending"),
        pytest.param(validating_record(), True, id="validating in real time"),
        pytest.param(validating_record(plan=Plan.ZERO_DOWNTIME), False, id="validating before"),
        pytest.param(replace(active_record(), plan=Plan.ZERO_DOWNTIME), True, id="both active"),
        pytest.param(replace(live_record(), plan=Plan.ZERO_DOWNTIME), True, id="live"),
        pytest.param(blocked_record(), False, id="blocked"),
        pytest.param(deleting_record(), False, id="deleting"),
        pytest.param(deleted_record(), False, id="deleted"),
    ],
)
def test_the_switch_is_safe_when_both_are_active_or_in_real_time(
    *, record: CustomHostname, safe: bool
) -> None:
    assert represent(record)["switch_safe"] is safe


DELEGATION = (f"_acme-challenge.{NAME}", f"{NAME}.uuid0123.dcv.cloudflare.com")
DELEGATION_KEY = ("CNAME", *DELEGATION)


@pytest.mark.parametrize(
    ("ssl_status", "shown", "status", "safe"),
    [
        pytest.param("pending_validation", False, None, False, id="not known yet"),
        pytest.param("pending_validation", True, None, False, id="never looked for"),
        pytest.param("pending_validation", True, RecordStatus.MISSING, False, id="missing"),
        pytest.param("pending_validation", True, RecordStatus.WRONG, False, id="wrong"),
        pytest.param("pending_validation", True, RecordStatus.FOUND, True, id="there"),
        pytest.param("active", True, RecordStatus.MISSING, True, id="no longer needed"),
        pytest.param("active", False, None, True, id="never shown, and not needed"),
    ],
)
def test_in_real_time_the_switch_is_safe_once_what_comes_before_it_is_there(
    *, ssl_status: str, shown: bool, status: RecordStatus | None, safe: bool
) -> None:
    view = cloudflare_view(status="pending", ssl_status=ssl_status)
    record = validating_record(plan=Plan.DELEGATED, view=view)
    known = replace(record.cloudflare, delegation=DELEGATION if shown else None)
    statuses = {DELEGATION_KEY: status} if status else {}
    record = replace(record, cloudflare=known, dns=DnsSeen(statuses=statuses))
    assert represent(record)["switch_safe"] is safe


def test_half_an_activation_makes_no_switch_safe() -> None:
    view = cloudflare_view(ssl_status="pending_issuance")
    record = validating_record(plan=Plan.ZERO_DOWNTIME, view=view)
    assert represent(record)["switch_safe"] is False


def test_the_plan_that_validates_first_warns_of_an_early_switch() -> None:
    warning = represent(validating_record(plan=Plan.ZERO_DOWNTIME))["warning"]
    assert "only after both" in warning
    assert represent(replace(active_record(), plan=Plan.ZERO_DOWNTIME))["warning"] is None


def test_what_cloudflare_says_is_shown_in_its_own_words() -> None:
    view = checking_view(verification_errors=("no CNAME",), validation_errors=("caa_error: x",))
    record = validating_record(view=view)
    refused = decided(record, cloudflare=Refused(1439, "not modifiable")).record
    assert represent(record)["cloudflare"]["errors"] == ["no CNAME", "caa_error: x"]
    assert represent(refused)["cloudflare"]["errors"][-1] == "not modifiable"


def test_an_object_that_is_gone_shows_no_status() -> None:
    shown = represent(deleted_record())["cloudflare"]
    assert shown == {
        "id": None,
        "hostname_status": None,
        "ssl_status": None,
        "errors": [],
        "custom_metadata": "none",
    }


def test_a_name_never_active_has_no_time_of_it() -> None:
    shown = represent(validating_record())
    assert (shown["activated_at"], shown["verified_at"]) == (None, None)


def test_a_name_back_in_validation_keeps_its_first_times() -> None:
    down = decided(live_record(), cloudflare=checking_view(), after=99).record
    assert represent(down)["activated_at"] == "2026-03-02T12:00:00+00:00"


@pytest.mark.parametrize(
    "record", [validating_record(routing=NOWHERE), active_record(), live_record()]
)
def test_an_unchanged_look_leaves_the_document_as_it_was(record: CustomHostname) -> None:
    assert record.dns.routing is not None
    first = decided(
        record, cloudflare=record.cloudflare.seen or checking_view(), dns=record.dns.routing
    )
    again = decided(
        first.record,
        cloudflare=record.cloudflare.seen or checking_view(),
        dns=record.dns.routing,
        after=3600,
    )
    assert represent(again.record) == represent(first.record)


@pytest.mark.parametrize(("due", "shown"), [(NOW, "2026-03-02T12:00:00+00:00"), (None, None)])
def test_the_next_check_is_put_in_where_it_is_shown(
    due: datetime | None, shown: str | None
) -> None:
    document = represent(live_record())
    whole = add_moment(document, next_check_at=due)
    assert whole == document | {"queue": None, "next_check_at": shown}
    assert "next_check_at" not in document


def test_every_state_is_shown_by_its_code() -> None:
    shown = {represent(record)["state"] for record in every_state()}
    assert shown == {str(state) for state in State}


@pytest.mark.parametrize("status", ["pending_deletion", "pending_blocked", "pending_migration"])
def test_no_switch_is_safe_onto_what_cloudflare_is_about_to_take_away(status: str) -> None:
    leaving = cloudflare_view(status=status, ssl_status="pending_deletion")
    record = active_record()
    seen = replace(record, cloudflare=replace(record.cloudflare, seen=leaving))
    assert represent(record)["switch_safe"] is True
    assert represent(seen)["switch_safe"] is False


def test_no_switch_is_safe_to_a_target_that_is_not_there() -> None:
    record = validating_record()
    gone = replace(record, zone=replace(record.zone, target_is_missing=True))
    assert represent_records(record)["switch_safe"] is True
    shown = represent_records(gone)
    assert (shown["switch_safe"], shown["next"]) == (False, None)
    # What is kept is not written anew with each look at the target.
    assert represent(gone) == represent(record)
