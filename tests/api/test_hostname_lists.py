"""The list over HTTP: search, labels, both orders, counts, cursors and links."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.api.hostname_list_schemas import HostnamePage
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
NAMES: dict[str, dict[str, str]] = {
    "shop.red-kettle.com": {"team": "red", "environment": "production"},
    "*.red-kettle.com": {"team": "red"},
    "shop.blue-kettle.com": {"team": "blue", "environment": "production"},
    "go.xn--bcher-kva.com": {"link": "https://a.b/?c=d:e"},
    "a1.kettle-a1.net": {"team": ""},
}
ALL = list(reversed(NAMES))
SEARCHES: dict[str, tuple[str, list[str]]] = {
    "a part of the name": ("q=kettle.c", [*ALL[2:4], ALL[4]]),
    "capital letters": ("q=RED-Kettle", ALL[3:]),
    "a part over a dot": ("q=p.b", ["shop.blue-kettle.com"]),
    "a whole name with U-labels": ("q=bücher.com", ["go.xn--bcher-kva.com"]),
    "a U-label": ("q=BÜCHER", ["go.xn--bcher-kva.com"]),
    "what is no hostname": ("q=bü_cher", []),
    "white space around it": ("q=%20kettle-a1%20", ["a1.kettle-a1.net"]),
    "a percent sign": ("q=red%25kettle", []),
    "an underscore": ("q=red_kettle", []),
    "a backslash": ("q=%5Cred", []),
    "a wildcard": ("q=*.red", ["*.red-kettle.com"]),
    "the beginning of the name": ("q=go", ["go.xn--bcher-kva.com"]),
    "one character that begins a name": ("q=A", ["a1.kettle-a1.net"]),
    "one percent sign": ("q=%25", []),
    "one asterisk": ("q=*", ["*.red-kettle.com"]),
    "a part and a label": ("q=kettle&label=team:blue", ["shop.blue-kettle.com"]),
    "a label": ("label=team:red", ALL[3:]),
    "two labels": ("label=team:red&label=environment:production", ["shop.red-kettle.com"]),
    "two values of one label": ("label=team:red&label=team:blue", []),
    "a label without a value": ("label=team:", ["a1.kettle-a1.net"]),
    "a value with colons": ("label=link:https://a.b/?c%3Dd:e", ["go.xn--bcher-kva.com"]),
    "a part of a value": ("label=team:re", []),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def names(shared_service: Service) -> dict[str, dict[str, Any]]:
    """Have the names in a list of their own: their tenant's."""
    made = {}
    for name, labels in NAMES.items():
        hostname = await shared_service.put_still(name, "lister")
        await shared_service.sql.execute(
            "UPDATE custom_hostnames SET labels = $1 WHERE id = $2", json_of(labels), hostname["id"]
        )
        made[name] = hostname
    return made


def json_of(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": "{value}"' for key, value in labels.items()) + "}"


async def listed(service: Service, query: str) -> httpx.Response:
    response = await service.http.get(f"{PATH}?tenant=lister&{query}")
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize(("query", "found"), SEARCHES.values(), ids=list(SEARCHES))
async def test_a_search_finds_names_and_labels_literally(
    shared_service: Service,
    names: dict[str, Any],  # noqa: ARG001 - it makes them
    query: str,
    found: list[str],
) -> None:
    for sort in ("created", "changed"):
        page = (await listed(shared_service, f"{query}&sort={sort}&count=true")).json()
        shown = [each["hostname"] for each in page["data"]]
        assert shown == found if sort == "created" else sorted(shown) == sorted(found)
        assert (page["total"], page["total_is_exact"]) == (len(found), True)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("q=", "q"),
        ("q=%20", "q"),
        ("q=" + "a" * 254, "q"),
        ("q=%00", "q"),
        ("label=team", "label"),
        ("label=:red", "label"),
        ("label=te%20am:red", "label"),
        ("label=team:" + "r" * 256, "label"),
        ("label=a:%00", "label"),
        ("&".join(["label=a:b"] * 21), "label"),
        ("sort=name", "sort"),
        ("count=perhaps", "count"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    shared_service: Service, query: str, parameter: str
) -> None:
    response = await shared_service.http.get(f"{PATH}?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["parameter"] == parameter


async def test_a_hostname_of_labels_shows_them_in_the_list(shared_service: Service) -> None:
    await shared_service.create("shop.tin-kettle.com", "tinsmith", labels={"team": "tin"})
    page = (await shared_service.http.get(f"{PATH}?label=team:tin")).json()
    HostnamePage.model_validate(page)
    assert [each["labels"] for each in page["data"]] == [{"team": "tin"}]
    assert "total" not in page


async def test_what_changed_last_comes_first(
    shared_service: Service, names: dict[str, dict[str, Any]]
) -> None:
    oldest = names["shop.red-kettle.com"]["id"]
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET updated_at = updated_at + interval '1 hour' WHERE id = $1",
        oldest,
    )
    page = (await listed(shared_service, "sort=changed&limit=1")).json()
    assert [each["id"] for each in page["data"]] == [oldest]


@pytest.mark.parametrize("sort", ["created", "changed"])
async def test_links_lead_from_page_to_page_until_the_last(
    shared_service: Service, names: dict[str, dict[str, Any]], sort: str
) -> None:
    url = f"{PATH}?tenant=lister&sort={sort}&state=pending&state=failed&label=team:red&limit=1"
    response = await shared_service.http.get(url)
    first, met = links(response)["first"], []
    while True:
        met += [each["hostname"] for each in response.json()["data"]]
        found = links(response)
        assert found["first"] == first
        assert ("next" in found) == (response.json()["next_cursor"] is not None)
        if "next" not in found:
            break
        assert found["next"].startswith(f"{PATH}?")
        response = await shared_service.http.get(found["next"])
        assert response.status_code == 200, response.text
    assert sorted(met) == sorted(name for name in names if NAMES[name].get("team") == "red")
    assert (await shared_service.http.get(first)).json()["data"][0]["hostname"] == met[0]


def links(response: httpx.Response) -> dict[str, str]:
    """Read the header Link: targets by their relation."""
    found = re.findall(r'<([^<>]*)>; rel="(\w+)"', response.headers["link"])
    return {relation: target for target, relation in found}


async def test_lists_of_events_and_endpoints_have_links_too(shared_service: Service) -> None:
    hostname = await shared_service.create("shop.iron-kettle.com", "ironsmith")
    for number in range(3):
        body = {"url": f"{shared_service.stack.receiver}/{number}", "tenant": "ironsmith"}
        made = await shared_service.http.post("/v1/webhook-endpoints", json=body)
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"/v1/webhook-endpoints/{made.json()['id']}"
    for path in (f"{PATH}/{hostname['id']}/events", "/v1/webhook-endpoints"):
        whole = (await shared_service.http.get(f"{path}?limit=100")).json()["data"]
        response = await shared_service.http.get(f"{path}?limit=1")
        met = response.json()["data"]
        while "next" in links(response):
            response = await shared_service.http.get(links(response)["next"])
            met += response.json()["data"]
        assert links(response)["first"] == f"{path}?limit=1"
        assert met == whole
        assert len(met) > 1


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("tenant=lister&limit=1", 200),
        ("tenant=lister&limit=100&count=true&sort=created", 200),
        ("tenant=lister&sort=changed", 422),
        ("tenant=another", 422),
        ("", 422),
        ("tenant=lister&state=pending", 422),
    ],
)
async def test_a_cursor_continues_the_list_that_it_comes_from_and_no_other(
    shared_service: Service,
    names: dict[str, dict[str, Any]],  # noqa: ARG001 - it makes them
    query: str,
    status: int,
) -> None:
    cursor = (await listed(shared_service, "limit=2")).json()["next_cursor"]
    response = await shared_service.http.get(f"{PATH}?{query}&cursor={cursor}")
    assert response.status_code == status, response.text
    if status == 422:
        assert response.json()["code"] == "cursor_invalid"


async def test_a_hosts_name_has_no_say_in_links(shared_service: Service) -> None:
    response = await shared_service.http.get(f"{PATH}?limit=1", headers={"Host": "evil.com"})
    assert "evil" not in response.headers["link"]
