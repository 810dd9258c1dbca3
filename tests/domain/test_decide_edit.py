"""Edits: what is wanted is compared with what was last sent, in any state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, State
from app.domain.document import represent
from app.domain.observation import Absent, Action, CloudflareView, Found, Refused, Unknown
from app.domain.options import CertificateAuthority, Options, Tls
from app.domain.plan import wanted_spec
from app.domain.reason import Reason
from app.domain.reconcile.actions import spec_to_send

from .builders import (
    CLOUDFLARE_ID,
    HERE,
    TOKEN,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    decided,
    failed_record,
    live_record,
    path,
    pending_record,
    validating_record,
)

ORIGIN = Options(custom_origin_server="eu.provider.net")
METADATA = Options(custom_metadata={"tier": "gold"})


def with_options(record: CustomHostname, options: Options = ORIGIN) -> CustomHostname:
    return replace(record, options=options)


def answered(
    record: CustomHostname, answer: CloudflareView, action: Action = Action.EDIT
) -> CustomHostname:
    """Give the record after an edit began and was answered."""
    begun = decided(record)
    assert begun.action is action
    return decided(begun.record, cloudflare=answer, performed=action, after=1).record


@pytest.mark.parametrize(
    "record", [validating_record(), active_record(), live_record(), blocked_record()]
)
def test_another_wish_is_an_edit_in_every_state_that_is_at_cloudflare(
    record: CustomHostname,
) -> None:
    assert decided(with_options(record)).action is Action.EDIT
    assert decided(record).action is not Action.EDIT


@pytest.mark.parametrize(
    ("change", "edits"),
    [
        pytest.param({"plan": Plan.ZERO_DOWNTIME}, True, id="another method"),
        pytest.param({"plan": Plan.CUSTOM}, False, id="another plan with the same methods"),
        pytest.param({"metadata": {"a": 1}}, False, id="metadata of our own"),
        pytest.param({"options": Options(tls=Tls(http2="on"))}, True, id="TLS"),
        pytest.param(
            {"options": Options(certificate_authority=CertificateAuthority.GOOGLE)},
            True,
            id="another authority",
        ),
        pytest.param({"options": METADATA}, True, id="custom metadata"),
    ],
)
def test_only_what_cloudflare_has_to_know_is_sent(*, change: dict[str, Any], edits: bool) -> None:
    assert (decided(replace(live_record(), **change)).action is Action.EDIT) is edits


def test_a_view_that_differs_from_what_was_sent_is_no_drift() -> None:
    renewed_over_http = cloudflare_view()
    record = replace(live_record(), plan=Plan.ZERO_DOWNTIME)
    sent = replace(record.cloudflare, applied=wanted_spec(record))
    record = replace(record, cloudflare=sent)
    assert renewed_over_http.ssl_method != wanted_spec(record).method
    assert decided(record, cloudflare=renewed_over_http).action is None


@pytest.mark.parametrize(
    ("options", "method"),
    [
        pytest.param(METADATA, "http", id="metadata"),
        pytest.param(Options(tls=Tls(http2="on")), "http", id="TLS"),
        pytest.param(
            Options(certificate_authority=CertificateAuthority.GOOGLE),
            "txt",
            id="another authority",
        ),
    ],
)
def test_an_edit_of_a_live_name_that_orders_no_certificate_keeps_the_method_of_its_renewal(
    options: Options, method: str
) -> None:
    record = replace(live_record(view=cloudflare_view()), plan=Plan.ZERO_DOWNTIME)
    applied = wanted_spec(record)
    record = replace(record, cloudflare=replace(record.cloudflare, applied=applied))
    begun = decided(with_options(record, options)).record
    assert (applied.method, spec_to_send(begun).method) == ("txt", method)
    edited = decided(begun, cloudflare=cloudflare_view(), performed=Action.EDIT, after=1)
    assert (edited.action, edited.record.cloudflare.applied) == (None, wanted_spec(begun))


def test_an_edit_of_a_name_that_is_not_live_says_the_method_that_is_wanted() -> None:
    # As an edit to HTTP leaves it that had no answer, and was taken back.
    record = validating_record(plan=Plan.ZERO_DOWNTIME, view=checking_view())
    assert record.cloudflare.seen is not None
    begun = decided(with_options(record, METADATA)).record
    assert (record.cloudflare.seen.ssl_method, spec_to_send(begun).method) == ("http", "txt")


def test_a_change_of_method_that_had_no_answer_is_taken_back_by_saying_the_method() -> None:
    before = replace(active_record(), plan=Plan.ZERO_DOWNTIME)
    before = replace(
        before, cloudflare=replace(before.cloudflare, applied=wanted_spec(before), in_flight=None)
    )
    unanswered = answered(replace(before, plan=Plan.SIMPLE), Unknown("timeout"))
    assert unanswered.cloudflare.in_flight == wanted_spec(unanswered)
    # It took effect all the same, as a look shows; and then it is taken back.
    seen = decided(unanswered, cloudflare=cloudflare_view(), after=2).record
    begun = decided(replace(seen, plan=Plan.ZERO_DOWNTIME), after=10)
    assert begun.action is Action.EDIT
    assert spec_to_send(begun.record).method == "txt"


def test_the_beginning_of_an_edit_is_in_the_record_that_is_committed_before_it() -> None:
    begun = decided(with_options(live_record())).record.cloudflare
    assert begun.in_flight == wanted_spec(with_options(live_record()))
    assert begun.applied == wanted_spec(live_record())


def test_an_edit_that_succeeded_is_applied_and_done() -> None:
    edited = answered(with_options(live_record()), Found(cloudflare_view()))
    assert edited.cloudflare.applied == wanted_spec(edited)
    assert edited.cloudflare.in_flight is None
    assert decided(edited, after=2).action is None


def test_an_edit_is_a_refresh_too() -> None:
    record = with_options(validating_record(routing=HERE))
    edited = answered(record, Found(checking_view()))
    assert edited.schedule.refreshed_at is not None
    assert decided(edited, dns=HERE, after=2).action is None


def test_an_edit_without_an_answer_is_sent_again() -> None:
    unanswered = answered(with_options(live_record()), Unknown("timeout"))
    assert decided(unanswered, after=3).action is None
    assert decided(unanswered, after=10).action is Action.EDIT


def test_a_wish_that_is_taken_back_undoes_an_edit_that_had_no_answer() -> None:
    unanswered = answered(with_options(live_record()), Unknown("timeout"))
    taken_back = replace(unanswered, options=Options())
    assert decided(taken_back, after=10).action is Action.EDIT


def test_a_wish_that_changes_during_an_edit_is_sent_next() -> None:
    begun = decided(with_options(live_record())).record
    edited = decided(begun, cloudflare=cloudflare_view(), performed=Action.EDIT, after=1).record
    changed = replace(edited, options=METADATA)
    assert decided(changed, after=2).action is Action.EDIT


def test_another_plan_does_not_take_a_live_name_down() -> None:
    record = replace(live_record(), plan=Plan.ZERO_DOWNTIME)
    anew = cloudflare_view(ssl_status="initializing")
    edited = answered(record, Found(anew))
    assert (edited.state, edited.reason) == (State.CNAME_VERIFIED, Reason.LIVE)


def test_tokens_of_the_former_order_are_not_asked_for_any_more() -> None:
    record = validating_record(plan=Plan.ZERO_DOWNTIME)
    options = Options(certificate_authority=CertificateAuthority.SSL_COM)
    edited = answered(with_options(record, options), Found(checking_view()))
    assert edited.cloudflare.validation_records == ()
    assert edited.reason is Reason.PREPARING_RECORDS


def test_tokens_stay_when_only_a_setting_changes() -> None:
    record = validating_record(plan=Plan.ZERO_DOWNTIME)
    edited = answered(with_options(record), Found(checking_view()))
    assert edited.cloudflare.validation_records == (TOKEN,)


def test_an_object_that_vanished_is_not_edited_but_missing() -> None:
    suspected = answered(with_options(live_record()), Absent())
    assert (suspected.state, suspected.cloudflare.id) == (State.CNAME_VERIFIED, CLOUDFLARE_ID)
    gone = decided(suspected, cloudflare=Absent(), after=60).record
    assert (gone.state, gone.reason) == (State.FAILED, Reason.MISSING_AT_CLOUDFLARE)


REFUSALS = [
    (1414, "No access.", ORIGIN, Reason.CUSTOM_ORIGIN_UNAVAILABLE),
    *((code, "No.", ORIGIN, Reason.CUSTOM_ORIGIN_REFUSED) for code in range(1415, 1422)),
    (
        1434,
        "The certificate authority is not available on your plan.",
        Options(certificate_authority=CertificateAuthority.SSL_COM),
        Reason.CERTIFICATE_AUTHORITY_UNAVAILABLE,
    ),
]


@pytest.mark.parametrize(("code", "said", "options", "reason"), REFUSALS)
def test_a_creation_refused_for_an_option_fails_and_says_which(
    code: int, said: str, options: Options, reason: Reason
) -> None:
    record = with_options(pending_record(), options)
    refused = answered(record, Refused(code, said), Action.CREATE)
    assert (refused.state, refused.reason) == (State.FAILED, reason)
    assert represent(refused)["waiting_on"] == "operator"
    assert represent(refused)["cloudflare"]["errors"] == [said]


@pytest.mark.parametrize(
    ("code", "said", "options", "reason"),
    [*REFUSALS, (1439, "Not modifiable.", ORIGIN, Reason.EDIT_REFUSED)],
)
def test_a_live_name_whose_edit_is_refused_stays_live_and_says_so(
    code: int, said: str, options: Options, reason: Reason
) -> None:
    refused = answered(with_options(live_record(), options), Refused(code, said))
    assert (refused.state, refused.reason) == (State.CNAME_VERIFIED, reason)
    shown = represent(refused)
    assert (shown["serving"], shown["cloudflare"]["errors"]) == (True, [said])
    later = decided(refused, cloudflare=cloudflare_view(), dns=HERE, after=3600)
    assert (later.record.reason, later.action) == (reason, None)


def test_a_name_under_validation_whose_edit_is_refused_fails() -> None:
    refused = decided(
        decided(with_options(validating_record())).record,
        cloudflare=Refused(1421, "No record."),
        performed=Action.EDIT,
        after=1,
    )
    assert path(refused) == ["failed"]
    assert refused.record.reason is Reason.CUSTOM_ORIGIN_REFUSED


def test_another_wish_revives_what_a_refused_edit_failed() -> None:
    refused = answered(with_options(validating_record()), Refused(1421, "No record."))
    mended = replace(refused, options=Options(custom_origin_server="us.provider.net"))
    begun = decided(mended, after=2)
    assert (begun.action, path(begun)) == (Action.EDIT, ["validating"])


def test_the_former_wish_needs_no_call_after_a_refused_edit() -> None:
    refused = answered(with_options(live_record()), Refused(1421, "No record."))
    back = decided(replace(refused, options=Options()), after=2)
    assert (back.action, back.record.reason) == (None, Reason.LIVE)
    assert represent(back.record)["cloudflare"]["errors"] == []


def test_a_person_may_have_a_refused_edit_tried_again_once() -> None:
    refused = answered(with_options(live_record()), Refused(1421, "No record."))
    asked = replace(refused, refresh_requested_at=refused.updated_at.replace(hour=13))
    begun = decided(asked, after=3601)
    assert begun.action is Action.EDIT
    again = decided(
        begun.record, cloudflare=Refused(1421, "No record."), performed=Action.EDIT, after=3602
    )
    assert decided(again.record, after=3603).action is None


def test_custom_metadata_that_the_plan_lacks_is_kept_back_and_the_name_created() -> None:
    refused = answered(
        with_options(pending_record(), METADATA), Refused(1413, "No."), Action.CREATE
    )
    assert (refused.state, refused.reason) == (State.PENDING, Reason.CREATING)
    assert refused.zone.takes_custom_metadata is False
    assert refused.cloudflare.refusal is None
    again = decided(refused, after=2)
    assert again.action is Action.CREATE
    assert wanted_spec(again.record).custom_metadata == {}
    created = decided(
        again.record, cloudflare=checking_view(), performed=Action.CREATE, after=3
    ).record
    assert represent(created)["cloudflare"]["custom_metadata"] == "withheld"
    assert decided(created, after=4).action is None


def test_custom_metadata_kept_back_is_tried_again_at_once() -> None:
    refused = answered(
        with_options(pending_record(), METADATA), Refused(1413, "No."), Action.CREATE
    )
    assert refused.schedule.cloudflare_due_at == refused.updated_at.replace(second=1)


def test_custom_metadata_refused_in_an_edit_is_kept_back_alone() -> None:
    both = Options(custom_metadata={"a": 1}, custom_origin_server="eu.provider.net")
    refused = answered(with_options(live_record(), both), Refused(1413, "No."))
    assert (refused.state, refused.reason) == (State.CNAME_VERIFIED, Reason.LIVE)
    again = decided(refused, after=2)
    assert again.action is Action.EDIT
    assert wanted_spec(again.record).custom_origin_server == "eu.provider.net"


def test_a_refusal_of_metadata_that_was_not_sent_is_like_any_other() -> None:
    refused = answered(pending_record(), Refused(1413, "No."), Action.CREATE)
    assert (refused.state, refused.reason) == (State.FAILED, Reason.REFUSED_BY_CLOUDFLARE)


def test_custom_metadata_is_shown_as_sent_once_it_was() -> None:
    record = with_options(pending_record(), METADATA)
    assert represent(record)["cloudflare"]["custom_metadata"] == "none"
    created = answered(record, Found(checking_view()), Action.CREATE)
    assert represent(created)["cloudflare"]["custom_metadata"] == "sent"


def test_a_failed_creation_takes_another_wish_along_when_it_is_tried_again() -> None:
    failed = with_options(failed_record(reason=Reason.CUSTOM_ORIGIN_REFUSED))
    asked = replace(failed, refresh_requested_at=failed.updated_at.replace(hour=13))
    begun = decided(asked, after=3601)
    assert begun.action is Action.CREATE
    assert begun.record.cloudflare.applied == wanted_spec(with_options(failed))


def test_a_second_post_of_another_shape_leaves_it_to_an_edit_to_tell() -> None:
    first = answered(pending_record(), Unknown("timeout"), Action.CREATE)
    second = decided(with_options(first), after=10)
    assert second.action is Action.CREATE
    created = decided(second.record, cloudflare=checking_view(), performed=Action.CREATE, after=11)
    assert decided(created.record, after=12).action is Action.EDIT


def test_the_certificate_that_an_edit_of_a_live_name_ordered_is_followed() -> None:
    record = replace(live_record(), plan=Plan.DELEGATED)
    edited = answered(record, Found(cloudflare_view(ssl_status="initializing")))
    assert edited.schedule.cloudflare_due_at == at(4)
    settled = decided(edited, cloudflare=cloudflare_view(), after=2).record
    assert settled.schedule.cloudflare_due_at is None
