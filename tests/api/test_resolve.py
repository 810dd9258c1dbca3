"""`GET /v1/resolve`: the question that a product's backend asks for each of its requests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.api.hostname_schemas import ResolvedOut
from app.domain.custom_hostname import State
from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/resolve"

HELD = {
    "shop.resolve-tea.com": "exact",
    "*.resolve-tea.com": "wildcard",
    "resolve-tea.com": "apex",
    "xn--bcher-kva.resolve-tea.com": "umlaut",
    "leaving.resolve-tea.com": "leaving",
    "gone.resolve-tea.com": "gone",
    "released.resolve-tea.com": "released",
    "lonely.removed-tea.com": "lonely",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def held(shared_service: Service) -> dict[str, dict[str, Any]]:
    """Insert the names, each of a tenant of its own, and let some of them leave."""
    made = {name: await shared_service.put_still(name, tenant) for name, tenant in HELD.items()}
    for tenant, change in (
        ("leaving", "state = 'deleting'"),
        ("gone", "state = 'deleted'"),
        ("lonely", "state = 'deleting'"),
        ("released", "name_released_at = now(), state = 'failed'"),
    ):
        await shared_service.sql.execute(
            f"UPDATE custom_hostnames SET {change} WHERE tenant = $1",  # noqa: S608
            tenant,
        )
    return made


async def ask(service: Service, hostname: str, **headers: str) -> httpx.Response:
    return await service.http.get(PATH, params={"hostname": hostname}, headers=headers)


MATCHES = {
    "the exact name before its wildcard": ("shop.resolve-tea.com", "shop.resolve-tea.com"),
    "in any spelling": ("Shop.Resolve-Tea.com.:443", "shop.resolve-tea.com"),
    "a U-label": ("B\u00fccher.resolve-tea.com", "xn--bcher-kva.resolve-tea.com"),
    "by the wildcard": ("other.resolve-tea.com", "*.resolve-tea.com"),
    "the apex, which the wildcard does not cover": ("resolve-tea.com", "resolve-tea.com"),
    "two labels below a wildcard": ("a.other.resolve-tea.com", None),
    "one label below an exact name": ("a.shop.resolve-tea.com", None),
    "unknown": ("nobody.knows-tea.com", None),
    "a single label": ("localhost", None),
    "reserved": ("Shop.Example.com.:443", None),
    "being removed, and no wildcard covers it": ("lonely.removed-tea.com", None),
    "being removed, under a wildcard": ("leaving.resolve-tea.com", "*.resolve-tea.com"),
    "removed, under a wildcard": ("gone.resolve-tea.com", "*.resolve-tea.com"),
    "released, under a wildcard": ("released.resolve-tea.com", "*.resolve-tea.com"),
}


@pytest.mark.parametrize(("asked", "found"), MATCHES.values(), ids=MATCHES)
async def test_the_exact_name_comes_first_then_the_wildcard_of_one_label(
    shared_service: Service, held: dict[str, dict[str, Any]], asked: str, found: str | None
) -> None:
    response = await ask(shared_service, asked)
    if found is None:
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        return
    assert response.status_code == 200, response.text
    answer = ResolvedOut.model_validate(response.json())
    assert (answer.hostname, answer.id) == (found, held[found]["id"])
    assert answer.tenant == HELD[found]


async def test_an_answer_may_be_kept_for_half_a_minute_and_an_unknown_name_for_seconds(
    shared_service: Service,
    held: dict[str, dict[str, Any]],  # noqa: ARG001
) -> None:
    known = await ask(shared_service, "shop.resolve-tea.com")
    assert known.headers["cache-control"] == "private, max-age=30, stale-if-error=86400"
    unknown = await ask(shared_service, "nobody.knows-tea.com")
    assert unknown.headers["cache-control"] == "private, max-age=5"
    same = {"If-None-Match": known.headers["etag"]}
    unchanged = await ask(shared_service, "shop.resolve-tea.com", **same)
    assert unchanged.status_code == 304
    for answer in (known, unknown, unchanged):
        assert answer.headers["vary"] == "Authorization"
    assert unknown.headers["content-type"] == "application/problem+json"
    refused = await ask(shared_service, "192.0.2.1")
    assert refused.headers["cache-control"] == "no-store"


async def test_what_is_answered_is_what_the_document_shows(shared_service: Service) -> None:
    made = await shared_service.create(
        "whole.answer-tea.com", 'a "quoted" \u00fc tenant', metadata={"shard": 3, "b": ["\u00e9"]}
    )
    answer = (await ask(shared_service, "whole.answer-tea.com")).json()
    shown = await shared_service.get(made["id"])
    fields = ("id", "hostname", "tenant", "redirect_to", "metadata")
    assert {name: answer[name] for name in fields} == {name: shown[name] for name in fields}
    assert set(answer) == {*fields, "asked", "state", "serving"}
    assert answer["asked"] == "whole.answer-tea.com"


@pytest.mark.parametrize("state", [each for each in State if each not in {"deleting", "deleted"}])
async def test_a_name_is_serving_in_the_state_in_which_it_is_live(
    shared_service: Service, state: State
) -> None:
    name = f"{state.replace('_', '-')}.state-tea.com"
    await shared_service.put_still(name)
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET state = $1 WHERE hostname = $2", state, name
    )
    answer = (await ask(shared_service, name)).json()
    assert (answer["state"], answer["serving"]) == (state, state is State.CNAME_VERIFIED)


async def test_an_etag_stays_until_the_answer_changes(shared_service: Service) -> None:
    made = await shared_service.put_still("etag.etag-tea.com")
    first = await ask(shared_service, "etag.etag-tea.com")
    etag = first.headers["etag"]
    assert etag.startswith('"')
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        same = await ask(shared_service, "etag.etag-tea.com", **{"If-None-Match": given})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert same.headers["cache-control"] == first.headers["cache-control"]
    # A change that the answer does not show.
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET view = view + 1 WHERE id = $1", made["id"]
    )
    same = await ask(shared_service, "etag.etag-tea.com", **{"If-None-Match": etag})
    assert same.status_code == 304
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET state = 'active' WHERE id = $1", made["id"]
    )
    other = await ask(shared_service, "etag.etag-tea.com", **{"If-None-Match": etag})
    assert (other.status_code, other.headers["etag"] != etag) == (200, True)


async def test_a_name_of_its_own_replaces_the_wildcards_answer(shared_service: Service) -> None:
    await shared_service.put_still("*.replaced-tea.com")
    first = await ask(shared_service, "shop.replaced-tea.com")
    exact = await shared_service.put_still("shop.replaced-tea.com")
    etag = {"If-None-Match": first.headers["etag"]}
    second = await ask(shared_service, "shop.replaced-tea.com", **etag)
    assert (second.status_code, second.json()["id"]) == (200, exact["id"])


async def test_a_live_wildcard_answers_until_the_name_of_its_own_is_live(
    shared_service: Service,
) -> None:
    wildcard = await shared_service.put_still("*.covered-tea.com")
    exact = await shared_service.put_still("shop.covered-tea.com")
    for live, found in ((wildcard, wildcard), (exact, exact)):
        await shared_service.sql.execute(
            "UPDATE custom_hostnames SET state = 'cname_verified' WHERE id = $1", live["id"]
        )
        answer = (await ask(shared_service, "shop.covered-tea.com")).json()
        assert (answer["id"], answer["serving"]) == (found["id"], True)


async def test_a_www_added_with_its_apex_leads_there(shared_service: Service) -> None:
    body = {
        "hostname": "both-tea.com",
        "also": ["www.both-tea.com"],
        "redirect_to": "both-tea.com",
        "tenant": "both",
    }
    assert (await shared_service.http.post("/v1/custom-hostnames", json=body)).status_code == 201
    for name, target in (("both-tea.com", None), ("www.both-tea.com", "both-tea.com")):
        answer = (await ask(shared_service, name)).json()
        assert (answer["tenant"], answer["redirect_to"]) == ("both", target)


async def test_a_wildcard_never_redirects_a_name_to_itself(shared_service: Service) -> None:
    await shared_service.put_still("www.circle-tea.com")
    await shared_service.put_still("*.circle-tea.com")
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET redirect_to = 'www.circle-tea.com' "
        "WHERE hostname = '*.circle-tea.com'"
    )
    other = await ask(shared_service, "other.circle-tea.com")
    assert other.json()["redirect_to"] == "www.circle-tea.com"
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET state = 'deleted' WHERE hostname = 'www.circle-tea.com'"
    )
    itself = await ask(shared_service, "www.circle-tea.com")
    assert (itself.json()["hostname"], itself.json()["redirect_to"]) == ("*.circle-tea.com", None)


REFUSED = {
    "no parameter": ("", "invalid_request", "hostname"),
    "an empty name": ("?hostname=", "hostname_empty", "hostname"),
    "a parameter without a value": ("?hostname", "hostname_empty", "hostname"),
    "another parameter": ("?host=a.com", "query_unknown", "host"),
    "one more parameter": ("?hostname=a.com&tenant=t", "query_unknown", "tenant"),
    "the name twice": ("?hostname=a.com&hostname=b.com", "query_unknown", "hostname"),
    "an address": ("?hostname=192.0.2.1:443", "hostname_is_ip", "hostname"),
    "an IPv6 address": ("?hostname=[::1]:443", "hostname_is_ip", "hostname"),
    "a wildcard": ("?hostname=*.shop.com", "wildcard_misplaced", "hostname"),
    "a URL": ("?hostname=https://shop.com/", "hostname_is_url", "hostname"),
    "bytes that are no UTF-8": ("?hostname=%ff%fe.com", "hostname_not_idna", "hostname"),
    "NUL": ("?hostname=a%00.com", "hostname_invalid_character", "hostname"),
}


@pytest.mark.parametrize(("query", "code", "parameter"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_hostname_is_refused_with_the_parameter(
    shared_service: Service, query: str, code: str, parameter: str
) -> None:
    response = await shared_service.http.get(PATH + query)
    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert response.json()["errors"][0]["parameter"] == parameter


async def test_a_key_for_reading_is_enough_and_no_key_is_too_little(
    shared_service: Service,
) -> None:
    await shared_service.put_still("key.key-tea.com")
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="reader", scope="read")
    read = await ask(shared_service, "key.key-tea.com", Authorization=f"Bearer {secret}")
    assert read.status_code == 200
    without = await ask(shared_service, "key.key-tea.com", Authorization="")
    assert (without.status_code, without.json()["code"]) == (401, "unauthenticated")


async def test_other_methods_are_not_allowed_and_head_is(shared_service: Service) -> None:
    await shared_service.put_still("head.head-tea.com")
    head = await shared_service.http.head(f"{PATH}?hostname=head.head-tea.com")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"]
    posted = await shared_service.http.post(f"{PATH}?hostname=head.head-tea.com")
    assert (posted.status_code, posted.json()["code"]) == (405, "method_not_allowed")
    assert posted.headers["allow"] == "GET, HEAD"


async def test_the_contract_has_the_route_and_its_answer(shared_service: Service) -> None:
    document = (await shared_service.http.get("/openapi.json")).json()
    operation = document["paths"][PATH]["get"]
    assert operation["operationId"] == "resolve_hostname"
    assert [each["name"] for each in operation["parameters"]] == ["hostname", "If-None-Match"]
    assert {"200", "304", "401", "403", "404", "422"} <= set(operation["responses"])
    schema = document["components"]["schemas"]["ResolvedOut"]
    assert "tenant" in schema["required"]
    assert "State" in document["components"]["schemas"]


async def test_a_bound_key_resolves_its_own_tenants_names_without_their_metadata(
    shared_service: Service,
) -> None:
    await shared_service.create("bound.bound-tea.com", "bound", metadata={"shop": 7})
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="bound", scope="read", tenant="bound")
    response = await shared_service.http.get(
        "/v1/resolve?hostname=bound.bound-tea.com", headers={"Authorization": f"Bearer {secret}"}
    )
    assert response.status_code == 200
    assert response.json()["tenant"] == "bound"
    assert "metadata" not in response.json()
