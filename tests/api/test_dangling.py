"""`/v1/dangling`: pages, the tenant's own, and cursors."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.dangling import DanglingPage
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/dangling"


async def put_dangling(service: Service, name: str, tenant: str) -> str:
    put = await service.put_still(name, tenant)
    await service.sql.execute(
        "UPDATE custom_hostnames SET state = 'deleted', desired = 'absent', tombstone = true, "
        "deleted_at = nameplate_now(), dangling_since = nameplate_now() WHERE id = $1",
        put["id"],
    )
    return str(put["id"])


async def page(service: Service, **query: Any) -> dict[str, Any]:
    response = await service.http.get(PATH, params=query)
    assert response.status_code == 200, response.text
    DanglingPage.model_validate(response.json())
    return dict(response.json())


async def test_the_list_is_walked_page_by_page_newest_first(shared_service: Service) -> None:
    names = [f"n{number}.walked-tea.com" for number in range(3)]
    ids = [await put_dangling(shared_service, name, "walker") for name in names]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"cursor": cursor} if cursor else {}
        found = await page(shared_service, tenant="walker", limit=2, **query)
        seen += [each["id"] for each in found["data"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_a_wildcard_says_that_it_covers_the_names_below(shared_service: Service) -> None:
    await put_dangling(shared_service, "*.below-tea.com", "below")
    await put_dangling(shared_service, "a.other-below-tea.com", "below")
    found = (await page(shared_service, tenant="below"))["data"]
    assert [(each["hostname"], each["covers_names_below"]) for each in found] == [
        ("a.other-below-tea.com", False),
        ("*.below-tea.com", True),
    ]


@pytest.mark.parametrize("cursor", ["nonsense", "bm9uc2Vuc2U", ""])
async def test_a_cursor_of_another_list_is_refused(shared_service: Service, cursor: str) -> None:
    response = await shared_service.http.get(PATH, params={"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "cursor_invalid")


async def test_a_cursor_belongs_to_its_tenant(shared_service: Service) -> None:
    for number in range(2):
        await put_dangling(shared_service, f"n{number}.cursor-tea.com", "cursors")
    found = await page(shared_service, tenant="cursors", limit=1)
    response = await shared_service.http.get(PATH, params={"cursor": found["next_cursor"]})
    assert (response.status_code, response.json()["code"]) == (422, "cursor_invalid")


async def test_the_summary_counts_them(shared_service: Service) -> None:
    await put_dangling(shared_service, "n0.summed-up-tea.com", "summed-up")
    summary = await shared_service.http.get("/v1/summary", params={"tenant": "summed-up"})
    assert (summary.json()["dangling"], summary.json()["hostnames"]) == (1, 0)
