"""Looking a name up by its exact text, what that costs, and which lane pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.errors import CloudflareNotFound, CloudflareUnavailable
from app.domain.observation import Action, CloudflareHostname, HostnamePage
from app.domain.rate_limit import Lane, Limits
from app.domain.zone import ZoneAccess
from app.persistence.database import open_database
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.act import MOST_PAGES, ActionExecutor, paying_lane
from tests.domain.builders import NOW, hostname_record

ACCESS = ZoneAccess("zone0123", "token", "default")
FULL = [f"my-{number}-shop.com" for number in range(50)]


@dataclass
class Lists:
    """A zone that answers the filter with these pages, and counts the questions."""

    pages: list[list[str]]
    asked: list[Mapping[str, str]] = field(default_factory=list)

    async def list_page(
        self,
        access: ZoneAccess,  # noqa: ARG002
        *,
        page: int,
        filters: Mapping[str, str],
    ) -> HostnamePage:
        self.asked.append(filters)
        names = self.pages[page - 1] if page <= len(self.pages) else []
        views = (CloudflareHostname(id=name, hostname=name, status="pending") for name in names)
        return HostnamePage(tuple(views), total=sum(map(len, self.pages)))


async def found(database_url: str, pages: list[list[str]]) -> tuple[Any, Lists, int]:
    """Look `shop.com` up; give what was found, the lists, and the calls that were counted."""
    lists = Lists(pages)
    async with open_database(database_url) as database:
        budgets = RateLimiter(database, Limits())
        executor = ActionExecutor(cast("Any", lists), budgets)
        try:
            result: Any = (
                await executor.find(hostname_record(name="shop.com"), ACCESS, Lane.VALIDATION)
            ).id
        except (CloudflareNotFound, CloudflareUnavailable) as error:
            result = type(error)
        usage = await budgets.usage("default")
    return result, lists, usage.spent[Lane.VALIDATION]


@pytest.mark.parametrize("spelling", ["shop.com", "*.shop.com"])
async def test_both_spellings_of_a_wildcard_are_found(database_url: str, spelling: str) -> None:
    pages = [["www.shop.com", "my-shop.com", spelling]]
    result, lists, owed = await found(database_url, pages)
    assert (result, owed) == (spelling, 0)
    assert lists.asked == [{"hostname": "shop.com"}]


@pytest.mark.parametrize("page", [[], ["not-shop.com"]])
async def test_a_name_that_the_zone_lacks_is_not_found(database_url: str, page: list[str]) -> None:
    result, _, owed = await found(database_url, [page])
    assert (result, owed) == (CloudflareNotFound, 0)


async def test_each_further_page_of_names_alike_is_counted_as_a_call(database_url: str) -> None:
    result, lists, owed = await found(database_url, [FULL, FULL, ["shop.com"]])
    assert (result, len(lists.asked), owed) == ("shop.com", 3, 2)


async def test_too_many_names_alike_say_neither_yes_nor_no(database_url: str) -> None:
    result, lists, owed = await found(database_url, [FULL] * (MOST_PAGES + 1))
    assert (result, len(lists.asked), owed) == (CloudflareUnavailable, MOST_PAGES, MOST_PAGES - 1)


@pytest.mark.parametrize(
    ("action", "asked_before", "lane"),
    [
        (Action.CREATE, timedelta(0), Lane.CREATION),
        (Action.DELETE, timedelta(seconds=59), Lane.INTERACTIVE),
        (Action.DELETE, timedelta(seconds=61), Lane.VALIDATION),
        (None, timedelta(seconds=59), Lane.INTERACTIVE),
        (None, timedelta(seconds=61), Lane.VALIDATION),
    ],
)
def test_the_further_calls_of_what_a_caller_waits_for_are_interactive(
    action: Action | None, asked_before: timedelta, lane: Lane
) -> None:
    record = replace(hostname_record(name="shop.com"), acted_at=NOW, wanted_at=NOW)
    assert paying_lane(action, record, NOW + asked_before) is lane
