"""`also` and `redirect_to`: an apex and its `www` in one request, both or neither."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from app.api.hostname_schemas import CustomHostnameCreated
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
NUMBERS = itertools.count()


def a_domain() -> str:
    return f"pair-{next(NUMBERS)}-tea.com"


def pair(domain: str, **more: Any) -> dict[str, Any]:
    """Ask for the apex with its `www`, which redirects to it."""
    return {
        "hostname": domain,
        "also": [f"www.{domain}"],
        "redirect_to": domain,
        "tenant": "pairs",
        **more,
    }


async def post(service: Service, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await service.http.post(PATH, json=body, headers=headers)


async def patch(service: Service, record_id: str, **changes: Any) -> httpx.Response:
    return await service.http.patch(f"{PATH}/{record_id}", json=changes)


async def held(service: Service, domain: str) -> dict[str, str]:
    """Return the names below a domain that are held, and by whom."""
    rows = await service.sql.fetch(
        "SELECT hostname, tenant FROM custom_hostnames WHERE state <> 'deleted' "
        "AND (hostname = $1 OR hostname LIKE '%.' || $1)",
        domain,
    )
    return {row["hostname"]: row["tenant"] for row in rows}


async def test_a_pair_is_added_and_answered_together(shared_service: Service) -> None:
    domain = a_domain()
    response = await post(shared_service, pair(domain, metadata={"shop": 7}))
    assert response.status_code == 201, response.text
    shown = CustomHostnameCreated.model_validate(response.json())
    (www,) = shown.also
    assert response.headers["location"] == f"{PATH}/{shown.id}"
    assert [(each.hostname, each.redirect_to) for each in (shown, www)] == [
        (domain, None),
        (f"www.{domain}", domain),
    ]
    assert [each.metadata for each in (shown, www)] == [{"shop": 7}] * 2
    # Each got the plan that works for it, and was reconciled inline.
    assert [each.plan for each in (shown, www)] == ["zero_downtime", "simple"]
    assert [each.state for each in (shown, www)] == ["validating", "validating"]
    for each in (shown, www):
        assert [event["type"] for event in await shared_service.events(each.id)][:2] == [
            "custom_hostname.created",
            "custom_hostname.validating",
        ]


async def test_one_name_is_answered_without_also(shared_service: Service) -> None:
    domain = a_domain()
    alone = await shared_service.create(f"shop.{domain}")
    assert "also" not in alone
    assert alone["redirect_to"] is None
    none = await shared_service.create(f"other.{domain}", also=[])
    assert "also" not in none


async def test_the_same_said_again_is_the_pair_that_exists(shared_service: Service) -> None:
    domain = a_domain()
    first = await post(shared_service, pair(domain, plan="simple", also=[]) | {"redirect_to": None})
    assert first.status_code == 422, "an apex cannot have plan simple"
    body = pair(f"www.{domain}", also=[domain], redirect_to=domain, plan="simple")
    made = await post(shared_service, body)
    assert made.status_code == 201, made.text
    # The plan fits the first; the apex got its default.
    assert [each["plan"] for each in (made.json(), *made.json()["also"])] == [
        "simple",
        "zero_downtime",
    ]
    again = await post(shared_service, body)
    assert again.status_code == 200, again.text
    assert [each["id"] for each in (again.json(), *again.json()["also"])] == [
        each["id"] for each in (made.json(), *made.json()["also"])
    ]


async def test_a_name_that_is_there_already_is_kept_and_the_rest_is_added(
    shared_service: Service,
) -> None:
    domain = a_domain()
    apex = await shared_service.create(domain, "pairs")
    response = await post(shared_service, pair(domain))
    assert response.status_code == 201, response.text
    assert response.json()["id"] == apex["id"]
    assert response.json()["also"][0]["redirect_to"] == domain
    domain = a_domain()
    www = await shared_service.create(f"www.{domain}", "pairs")
    differs = await post(shared_service, pair(domain))
    assert (differs.status_code, differs.json()["code"]) == (409, "already_exists")
    assert [each["pointer"] for each in differs.json()["errors"]] == ["/also/0"]
    assert differs.json()["custom_hostname_id"] == www["id"]
    assert "/redirect_to" in differs.json()["detail"]
    assert await held(shared_service, domain) == {f"www.{domain}": "pairs"}


async def test_one_name_that_redirects_is_repeated_like_any_other(shared_service: Service) -> None:
    domain = a_domain()
    await shared_service.create(domain, "pairs")
    www = await shared_service.create(f"www.{domain}", "pairs", redirect_to=domain.upper())
    assert www["redirect_to"] == domain
    body = {"hostname": f"www.{domain}", "tenant": "pairs"}
    for said, status in (({}, 200), ({"redirect_to": domain}, 200), ({"redirect_to": None}, 409)):
        again = await post(shared_service, body | said)
        assert (again.status_code, again.json().get("code")) == (
            status,
            "already_exists" if status == 409 else None,
        )
    assert again.json()["errors"][0]["pointer"] == "/redirect_to"


async def test_a_pair_of_which_one_is_anothers_adds_nothing(shared_service: Service) -> None:
    domain = a_domain()
    await shared_service.create(f"www.{domain}", "another")
    response = await post(shared_service, pair(domain))
    assert (response.status_code, response.json()["code"]) == (409, "hostname_taken")
    assert response.json()["errors"][0]["pointer"] == "/also/0"
    assert await held(shared_service, domain) == {f"www.{domain}": "another"}
    events = await shared_service.sql.fetchval(
        "SELECT count(*) FROM events e JOIN custom_hostnames h ON h.id = e.custom_hostname_id "
        "WHERE h.hostname = $1",
        domain,
    )
    assert events == 0


async def test_of_a_pair_only_the_name_that_another_tenant_had_has_to_be_proved(
    shared_service: Service,
) -> None:
    domain = a_domain()
    former = await shared_service.put_still(f"www.{domain}", "former")
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET state = 'deleted', desired = 'absent', tombstone = true "
        "WHERE id = $1",
        former["id"],
    )
    response = await post(shared_service, pair(domain))
    assert response.status_code == 201, response.text
    (www,) = response.json()["also"]
    assert (response.json()["reason"] == "proof_awaited", www["reason"]) == (False, "proof_awaited")
    wakes = await shared_service.sql.fetchval(
        "SELECT wakes FROM schedules WHERE custom_hostname_id = $1", former["id"]
    )
    assert wakes >= 1


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "another domain": ({"also": ["www.other-tea.com"]}, "also_invalid", "/also/0"),
    "no hostname": ({"also": ["192.0.2.1"]}, "hostname_is_ip", "/also/0"),
    "too many names": ({"also": ["a", "b", "c", "d", "e"]}, "invalid_request", "/also"),
    "no list": ({"also": "www.invalid-tea.com"}, "invalid_request", "/also"),
    "the provider's own name": (
        {"hostname": "tenant-9.nameplate-demo.net", "also": ["nameplate-demo.net"]},
        "hostname_is_ours",
        "/also/0",
    ),
    "to itself": ({"redirect_to": "INVALID-tea.com"}, "redirect_invalid", "/redirect_to"),
    "to a name that nobody has": (
        {"redirect_to": "www.invalid-tea.com"},
        "redirect_invalid",
        "/redirect_to",
    ),
    "to another tenant's name": (
        {"redirect_to": "held.anothers-tea.com"},
        "redirect_invalid",
        "/redirect_to",
    ),
    "to a URL": ({"redirect_to": "https://a.com/"}, "hostname_is_url", "/redirect_to"),
    "to nothing": ({"redirect_to": ""}, "invalid_request", "/redirect_to"),
    "an option that does not fit": (
        {"also": ["*.invalid-tea.com"], "plan": "custom", "dcv_method": "http"},
        "option_not_available",
        "/also/0",
    ),
}


@pytest.mark.parametrize(("said", "code", "pointer"), INVALID.values(), ids=INVALID)
async def test_what_cannot_be_accepted_adds_nothing_and_is_pointed_to(
    shared_service: Service, said: dict[str, Any], code: str, pointer: str
) -> None:
    await post(shared_service, {"hostname": "held.anothers-tea.com", "tenant": "another"})
    body = {"hostname": "invalid-tea.com", "tenant": "pairs", **said}
    response = await post(shared_service, body)
    assert response.json()["code"] == code, response.text
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert await held(shared_service, "invalid-tea.com") == {}


async def test_a_name_and_its_wildcard_are_added_as_one_object(shared_service: Service) -> None:
    domain = a_domain()
    body = {"hostname": domain, "also": [f"*.{domain}"], "tenant": "pairs", "plan": "delegated"}
    response = await post(shared_service, body)
    assert response.status_code == 201, response.text
    (wildcard,) = response.json()["also"]
    for each in (response.json(), wildcard):
        await shared_service.until_state(each["id"], "validating")
    both = [await shared_service.get(each["id"]) for each in (response.json(), wildcard)]
    assert len({each["cloudflare"]["id"] for each in both}) == 1


async def test_a_repeated_request_with_a_key_has_the_whole_pair(shared_service: Service) -> None:
    domain = a_domain()
    first = await post(shared_service, pair(domain), **{"Idempotency-Key": domain})
    assert first.status_code == 201
    again = await post(shared_service, pair(domain), **{"Idempotency-Key": domain})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.headers["location"] == first.headers["location"]
    assert set(again.json()) == set(first.json())
    assert [each["id"] for each in again.json()["also"]] == [
        each["id"] for each in first.json()["also"]
    ]
    # As it is now: one of both has been removed since.
    await shared_service.http.delete(f"{PATH}/{first.json()['also'][0]['id']}")
    later = await post(shared_service, pair(domain), **{"Idempotency-Key": domain})
    assert later.json()["also"][0]["id"] == first.json()["also"][0]["id"]
    assert later.json()["also"][0]["state"] in {"deleting", "deleted"}


async def test_pairs_that_overlap_at_once_have_one_holder_and_no_deadlock(
    shared_service: Service,
) -> None:
    domain = a_domain()
    names = [domain, f"www.{domain}", f"m.{domain}"]
    bodies = [
        {"hostname": first, "also": list(also), "tenant": f"rival-{number}"}
        for number, (first, *also) in enumerate(itertools.permutations(names, 2))
    ]
    answers = await asyncio.gather(*(post(shared_service, body) for body in bodies * 3))
    # A busy machine may have no connection to Postgres in time: that is a 503, to be tried again.
    assert {each.status_code for each in answers} <= {200, 201, 409, 503}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {
        "hostname_taken"
    }
    there = await held(shared_service, domain)
    (holder,) = set(there.values())
    assert len(there) == 2
    won = bodies[int(holder.removeprefix("rival-"))]
    assert set(there) == {won["hostname"], *won["also"]}
    assert sum(each.status_code == 201 for each in answers) == 1


async def test_the_same_pair_at_once_by_one_tenant_is_made_once(shared_service: Service) -> None:
    domain = a_domain()
    turned = pair(f"www.{domain}", also=[domain], redirect_to=domain)
    answers = await asyncio.gather(
        *(post(shared_service, body) for body in [pair(domain), turned] * 4)
    )
    assert {each.status_code for each in answers} <= {200, 201, 503}
    ids = {
        tuple(sorted(each["id"] for each in (answer.json(), *answer.json()["also"])))
        for answer in answers
        if answer.status_code != 503
    }
    assert len(ids) == 1
    assert len(await held(shared_service, domain)) == 2


async def test_a_redirect_is_set_and_reset_by_patch(shared_service: Service) -> None:
    domain = a_domain()
    apex = await shared_service.create(domain, "pairs")
    www = await shared_service.create(f"www.{domain}", "pairs")
    set_to = await patch(shared_service, www["id"], redirect_to=f"{domain.upper()}.")
    assert set_to.status_code == 200, set_to.text
    assert set_to.json()["redirect_to"] == domain
    other = await patch(shared_service, www["id"], metadata={"a": 1})
    assert other.json()["redirect_to"] == domain
    same = await patch(shared_service, www["id"], redirect_to=domain)
    assert same.json()["revision"] == other.json()["revision"]
    # It stays when its target is removed, and may be said again.
    await shared_service.http.delete(f"{PATH}/{apex['id']}")
    assert (await shared_service.get(www["id"]))["redirect_to"] == domain
    again = await patch(shared_service, www["id"], redirect_to=domain)
    assert (again.status_code, again.json()["redirect_to"]) == (200, domain)
    reset = await patch(shared_service, www["id"], redirect_to=None)
    assert reset.json()["redirect_to"] is None
    refused = await patch(shared_service, www["id"], redirect_to=domain)
    assert (refused.status_code, refused.json()["code"]) == (422, "redirect_invalid")


async def test_no_change_closes_a_loop(shared_service: Service) -> None:
    domain = a_domain()
    names = [f"{label}.{domain}" for label in "abc"]
    made = [await shared_service.create(name, "pairs") for name in names]
    for position in (0, 1):
        response = await patch(
            shared_service, made[position]["id"], redirect_to=names[position + 1]
        )
        assert response.status_code == 200, response.text
    for target in (names[0], names[1], names[2]):
        loop = await patch(shared_service, made[2]["id"], redirect_to=target)
        assert (loop.status_code, loop.json()["code"]) == (422, "redirect_invalid")
        assert loop.json()["errors"][0]["pointer"] == "/redirect_to"


async def test_changes_at_once_close_no_loop(shared_service: Service) -> None:
    domain = a_domain()
    names = [f"{label}.{domain}" for label in "abcd"]
    made = [await shared_service.create(name, "pairs") for name in names]
    await asyncio.gather(
        *(
            patch(shared_service, each["id"], redirect_to=names[(position + 1) % len(names)])
            for position, each in enumerate(made)
        )
    )
    leads = {
        each["hostname"]: (await shared_service.get(each["id"]))["redirect_to"] for each in made
    }
    assert None in leads.values()


async def test_events_carry_the_redirect(shared_service: Service) -> None:
    domain = a_domain()
    response = await post(shared_service, pair(domain))
    (www,) = response.json()["also"]
    body = await shared_service.sql.fetchval(
        "SELECT body FROM events WHERE custom_hostname_id = $1 ORDER BY sequence LIMIT 1", www["id"]
    )
    assert f'"redirect_to": "{domain}"' in body
