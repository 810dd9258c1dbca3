"""`/v1/custom-hostnames` as its callers rely on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from app.api.event_schemas import EventPage
from app.api.hostname_list_schemas import HostnamePage
from app.api.hostname_schemas import CustomHostnameOut, RecordsOut
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"


async def test_a_new_hostname_is_answered_with_the_records_to_add(shared_service: Service) -> None:
    body = {"hostname": "Shop.Green-Tea.COM.", "tenant": "green", "metadata": {"plan": ["a", 1]}}
    body |= {"labels": {"team": "blue", "app.io/env": ""}}
    response = await shared_service.http.post(PATH, json=body)
    assert response.status_code == 201
    shown = CustomHostnameOut.model_validate(response.json())
    assert shown.hostname == "shop.green-tea.com"
    assert [(r.type, r.name, r.value) for r in shown.records] == [
        ("CNAME", "shop.green-tea.com", "customers.nameplate-demo.net")
    ]
    assert response.headers["location"] == f"{PATH}/{shown.id}"
    assert shown.metadata == {"plan": ["a", 1]}
    assert shown.labels == {"team": "blue", "app.io/env": ""}


async def test_an_international_name_is_kept_in_a_labels(shared_service: Service) -> None:
    shown = await shared_service.create("b\u00fccher.tea-house.com")
    assert shown["hostname"] == "xn--bcher-kva.tea-house.com"


async def test_a_name_below_the_zones_own_is_accepted(shared_service: Service) -> None:
    shown = await shared_service.create("tenant-7.nameplate-demo.net")
    assert shown["hostname"] == "tenant-7.nameplate-demo.net"


async def test_the_same_name_again_for_the_same_tenant_is_the_one_that_exists(
    shared_service: Service,
) -> None:
    first = await shared_service.create("again.green-tea.com", "green")
    body = {"hostname": "again.green-tea.com", "tenant": "green"}
    again = await shared_service.http.post(PATH, json=body)
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]


FULL: dict[str, Any] = {
    "plan": "zero_downtime",
    "metadata": {"shop": 7},
    "labels": {"team": "blue"},
    "certificate_authority": "google",
    "tls": {"min_tls_version": "1.2"},
}
REPEATED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the same": (FULL, []),
    "nothing but the name": ({}, []),
    "a part of it": ({"tls": {"min_tls_version": "1.2"}}, []),
    "no plan": ({**FULL, "plan": None}, []),
    "another plan": ({**FULL, "plan": "simple"}, ["/plan"]),
    "other metadata": ({"metadata": {}}, ["/metadata"]),
    "other labels": ({"labels": {"team": "red"}}, ["/labels"]),
    "another authority": ({"certificate_authority": "ssl_com"}, ["/certificate_authority"]),
    "any authority": ({"certificate_authority": None}, ["/certificate_authority"]),
    "a method that its plan replaces": ({"dcv_method": "http"}, []),
    "plan custom with a method": (
        {"plan": "custom", "dcv_method": "http"},
        ["/plan", "/dcv_method"],
    ),
    "another TLS setting": ({"tls": {"http2": "off"}}, ["/tls"]),
    "several": (
        {"plan": "simple", "metadata": {"shop": 8}, "tls": {"min_tls_version": "1.3"}},
        ["/plan", "/tls", "/metadata"],
    ),
}


@pytest.mark.parametrize(("sent", "differing"), REPEATED.values(), ids=list(REPEATED))
async def test_a_repeated_request_that_says_something_else_is_told_what_differs(
    shared_service: Service, sent: dict[str, Any], differing: list[str]
) -> None:
    name = {"hostname": "repeated.green-tea.com", "tenant": "green"}
    await shared_service.http.post(PATH, json={**name, **FULL})
    (first,) = [
        each
        for each in (await shared_service.http.get(f"{PATH}?tenant=green")).json()["data"]
        if each["hostname"] == name["hostname"]
    ]
    again = await shared_service.http.post(PATH, json={**name, **sent})
    if not differing:
        assert (again.status_code, again.json()["id"]) == (200, first["id"])
        return
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert again.json()["custom_hostname_id"] == first["id"]
    assert [each["pointer"] for each in again.json()["errors"]] == differing
    assert f"PATCH {PATH}/{first['id']}" in again.json()["detail"]
    assert (await shared_service.get(first["id"]))["revision"] == first["revision"]


async def test_another_tenants_name_is_a_conflict_that_does_not_say_whose(
    shared_service: Service,
) -> None:
    await shared_service.create("mine.green-tea.com", "the-first-tenant")
    body = {"hostname": "mine.green-tea.com", "tenant": "second"}
    refused = await shared_service.http.post(PATH, json=body)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "hostname_taken")
    assert problem["errors"][0]["pointer"] == "/hostname"
    assert "choose another name" in problem["detail"]
    assert "the-first-tenant" not in refused.text


@pytest.mark.parametrize(
    ("theirs", "wanted"),
    [
        ("tall.green-tea.com", "*.tall.green-tea.com"),
        ("*.wide.green-tea.com", "wide.green-tea.com"),
    ],
)
async def test_a_taken_wildcard_or_its_name_is_said_to_be_in_the_way(
    shared_service: Service, theirs: str, wanted: str
) -> None:
    await shared_service.create(theirs, "the-first-tenant")
    body = {"hostname": wanted, "tenant": "second"}
    refused = await shared_service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "hostname_taken")
    assert refused.json()["detail"].startswith(f"{theirs} belongs to another tenant, and {wanted} ")
    assert "the-first-tenant" not in refused.text


async def test_a_name_and_its_wildcard_that_differ_are_a_conflict(shared_service: Service) -> None:
    await shared_service.create("wild.green-tea.com")
    body = {"hostname": "*.wild.green-tea.com", "tenant": "tenant", "plan": "zero_downtime"}
    refused = await shared_service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "shared_object_differs")
    assert refused.json()["errors"][0]["pointer"] == "/plan"


async def test_twenty_posts_of_one_name_at_once_make_one_hostname(shared_service: Service) -> None:
    body = {"hostname": "rush.green-tea.com", "tenant": "green"}
    posts = [shared_service.http.post(PATH, json=body) for _ in range(20)]
    responses = await asyncio.gather(*posts)
    assert Counter(r.status_code for r in responses) == {201: 1, 200: 19}
    assert len({r.json()["id"] for r in responses}) == 1


async def test_get_one_is_the_document_with_its_next_look(shared_service: Service) -> None:
    created = await shared_service.create("get.green-tea.com")
    response = await shared_service.http.get(f"{PATH}/{created['id']}")
    shown = CustomHostnameOut.model_validate(response.json())
    assert shown.next_check_at is not None
    assert list(response.json()) == list(created)


async def test_an_etag_holds_while_nothing_changed_and_no_longer(shared_service: Service) -> None:
    shown = await shared_service.put_still("etag.green-tea.com")
    path = f"{PATH}/{shown['id']}"
    first = await shared_service.http.get(path)
    etag = first.headers["etag"]
    assert etag.strip('"').split(".")[0] == str(shown["revision"])
    for known in (etag, f"W/{etag}", f'"0.0.0", {etag}', "*"):
        same = await shared_service.http.get(path, headers={"If-None-Match": known})
        assert (same.status_code, same.content) == (304, b"")
    await shared_service.http.patch(path, json={"metadata": {"shop": 7}})
    changed = await shared_service.http.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200


async def test_if_match_guards_against_a_change_in_between(shared_service: Service) -> None:
    created = await shared_service.create("match.green-tea.com")
    path = f"{PATH}/{created['id']}"
    etag = (await shared_service.http.get(path)).headers["etag"]
    await shared_service.refresh(created["id"])
    stale = await shared_service.http.delete(path, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    fresh = (await shared_service.http.get(path)).headers["etag"]
    assert (await shared_service.http.delete(path, headers={"If-Match": fresh})).status_code == 202
    wrong = await shared_service.http.delete(path, headers={"If-Match": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "etag_invalid")


async def test_a_cursor_walks_every_hostname_once_newest_first(shared_service: Service) -> None:
    made = [(await shared_service.create(f"p{n}.paging.com", "pager"))["id"] for n in range(7)]
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await shared_service.http.get(f"{PATH}?tenant=pager&limit=2{cursor}")).json()
        HostnamePage.model_validate(page)
        seen += [each["id"] for each in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    assert page["next_cursor"] is None


async def test_a_list_can_be_narrowed_to_a_state(shared_service: Service) -> None:
    made = await shared_service.create("gone.green-tea.com", "narrow")
    await shared_service.create("kept.green-tea.com", "narrow")
    await shared_service.http.delete(f"{PATH}/{made['id']}")
    await shared_service.until_state(made["id"], "deleted")
    query = "?tenant=narrow&state=deleted"
    page = (await shared_service.http.get(f"{PATH}{query}")).json()
    assert [each["id"] for each in page["data"]] == [made["id"]]


async def test_a_list_leaves_out_what_is_deleted_unless_it_is_asked_for(
    shared_service: Service,
) -> None:
    names = ("first", "second", "third", "fourth")
    made = [
        (await shared_service.create(f"{name}.oolong-tea.com", "lists"))["id"] for name in names
    ]
    await shared_service.http.delete(f"{PATH}/{made[1]}")
    await shared_service.until_state(made[1], "deleted")
    for query, wanted in (
        ("", [made[3], made[2], made[0]]),
        ("&state=deleted", [made[1]]),
        ("&state=deleted&state=validating", made[::-1]),
        ("&state=failed&state=active", []),
        ("&state=validating&state=validating", [made[3], made[2], made[0]]),
    ):
        seen: list[str] = []
        cursor = ""
        while True:
            page = await shared_service.http.get(f"{PATH}?tenant=lists&limit=2{query}{cursor}")
            seen += [each["id"] for each in page.json()["data"]]
            if page.json()["next_cursor"] is None:
                break
            cursor = f"&cursor={page.json()['next_cursor']}"
        assert seen == wanted, query
    everybodys = await shared_service.http.get(f"{PATH}?limit=100")
    assert "deleted" not in {each["state"] for each in everybodys.json()["data"]}


async def test_a_pasted_name_is_trimmed(shared_service: Service) -> None:
    made = await shared_service.create("\ufeff Pasted.Oolong-Tea.com.\r\n", "paste")
    assert made["hostname"] == "pasted.oolong-tea.com"
    path = f"{PATH}/{made['id']}"
    origin = "\xa0EU.Nameplate-Demo.net.\t"
    changed = await shared_service.http.patch(path, json={"custom_origin_server": origin})
    assert changed.json()["custom_origin_server"] == "eu.nameplate-demo.net"
    refused = await shared_service.http.post(PATH, json={"hostname": "a_b.com", "tenant": "t"})
    assert "Character 2, '_', " in refused.json()["errors"][0]["detail"]


async def test_removing_twice_changes_nothing_more(shared_service: Service) -> None:
    made = await shared_service.create("twice.green-tea.com")
    path = f"{PATH}/{made['id']}"
    await shared_service.http.delete(path)
    gone = await shared_service.until_state(made["id"], "deleted")
    again = await shared_service.http.delete(path)
    assert again.status_code == 202
    assert again.json()["revision"] == gone["revision"]
    refused = await shared_service.http.post(f"{path}/refresh")
    assert (refused.status_code, refused.json()["code"]) == (409, "is_deleted")


async def test_a_name_that_is_still_being_removed_says_when_to_come_again(
    shared_service: Service,
) -> None:
    made = await shared_service.create("leaving.green-tea.com")
    faults = {"rate": 1, "kinds": [503], "seed": 1}
    await shared_service.world.control("PUT", "/cloudflare/faults", **faults)
    await shared_service.http.delete(f"{PATH}/{made['id']}")
    body = {"hostname": "leaving.green-tea.com", "tenant": "tenant"}
    refused = await shared_service.http.post(PATH, json=body)
    await shared_service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "still_deleting")
    assert int(refused.headers["retry-after"]) > 0


async def test_records_and_events_have_the_shapes_that_are_documented(
    shared_service: Service,
) -> None:
    made = await shared_service.create("shape.green-tea.com")
    records = await shared_service.http.get(f"{PATH}/{made['id']}/records")
    RecordsOut.model_validate(records.json())
    events = (await shared_service.http.get(f"{PATH}/{made['id']}/events?limit=1")).json()
    EventPage.model_validate(events)
    assert events["next_cursor"] == "1"
    rest = (await shared_service.http.get(f"{PATH}/{made['id']}/events?cursor=1")).json()
    assert [each["sequence"] for each in rest["data"]] == [2]


FILTERS: dict[str, tuple[str, list[str]]] = {
    "the exact name, however it is written": ("hostname=Two.Filter-Tea.com.", ["two"]),
    "a name that is not there": ("hostname=four.filter-tea.com", []),
    "a name and another tenant": ("hostname=two.filter-tea.com&tenant=else", []),
    "a tenant": ("tenant=filter", ["three", "two", "one"]),
    "the default zone": ("tenant=filter&zone=default", ["three", "two", "one"]),
    "a zone that is not there": ("tenant=filter&zone=zone_unknown", []),
    "a reason": ("tenant=filter&reason=awaiting_cname", ["two", "one"]),
    "several reasons": (
        "tenant=filter&reason=awaiting_cname&reason=cname_elsewhere",
        ["three", "two", "one"],
    ),
    "who is waited for": ("tenant=filter&waiting_on=tenant", ["three", "two", "one"]),
    "nobody": ("tenant=filter&waiting_on=nobody", []),
    "since a time": ("tenant=filter&created_after=2026-01-01T00:00:00Z", ["three", "two", "one"]),
    "until a time": ("tenant=filter&created_before=2026-01-01T01:00:00%2B01:00", []),
    "until the year 1": ("tenant=filter&created_before=0001-01-01T00:00:00Z", []),
    "until 9999": (
        "tenant=filter&created_before=9999-12-31T23:59:59Z",
        ["three", "two", "one"],
    ),
    "a state and a reason": (
        "tenant=filter&state=validating&state=active&reason=cname_elsewhere",
        ["three"],
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three_names(shared_service: Service) -> None:
    """Have two names wait for their CNAME, and one whose CNAME leads elsewhere."""
    for label in ("one", "two", "three"):
        hostname = await shared_service.create(f"{label}.filter-tea.com", "filter")
    await shared_service.world.put_record(hostname["records"][0], value="other.host.com")
    await shared_service.refresh(hostname["id"])


@pytest.mark.parametrize(("query", "labels"), FILTERS.values(), ids=list(FILTERS))
async def test_a_list_has_what_fits_all_conditions(
    shared_service: Service,
    three_names: None,  # noqa: ARG001
    query: str,
    labels: list[str],
) -> None:
    response = await shared_service.http.get(f"{PATH}?{query}")
    assert response.status_code == 200, response.text
    found = [each["hostname"].split(".")[0] for each in response.json()["data"]]
    assert found == labels


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("hostname=not%20a%20name", "hostname"),
        ("reason=unheard_of", "reason"),
        ("waiting_on=godot", "waiting_on"),
        ("created_after=2026-11-26T12:00:00", "created_after"),
        ("created_before=yesterday", "created_before"),
        ("created_before=0.5", "created_before"),
        ("created_before=1700000000", "created_before"),
        ("created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
    ],
)
async def test_a_filter_that_cannot_fit_anything_is_refused(
    shared_service: Service, query: str, parameter: str
) -> None:
    response = await shared_service.http.get(f"{PATH}?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"].startswith(parameter)
