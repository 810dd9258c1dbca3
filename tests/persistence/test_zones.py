"""The default zone follows the settings, however many processes start at once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from app.domain.custom_hostname import Schedule
from app.persistence.custom_hostnames import read_hostnames, rewrite_documents
from app.persistence.database import Database, open_database
from app.persistence.fast_path_reads import read_document
from app.persistence.zones import list_zones, save_rerender
from tests.support.rows import present_zone, put_hostname, put_zone


async def test_ten_processes_that_start_at_once_make_one_default_zone(database_url: str) -> None:
    async with open_database(database_url) as database:
        await asyncio.gather(*(put_zone(database, "0" * 32) for _ in range(10)))
        async with database.transaction() as tx:
            assert [zone.is_default for zone in await list_zones(tx)] == [True]


async def test_another_zone_in_the_settings_becomes_the_default_and_the_former_stays(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await put_zone(database, "0" * 32)
        await put_zone(database, "1" * 32)
        async with database.transaction() as tx:
            zones = await list_zones(tx)
        assert [(z.cloudflare_zone_id[0], z.is_default) for z in zones] == [
            ("1", True),
            ("0", False),
        ]


async def test_a_new_cname_target_is_shown_and_the_former_one_stays_accepted(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await put_zone(database, "0" * 32)
        await put_zone(database, "0" * 32, "clients.provider.net")
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
        assert zone.cname_target == "clients.provider.net"
        assert zone.accepted_targets == ("customers.provider.net",)
        await put_zone(database, "0" * 32, "customers.provider.net")
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
        assert zone.accepted_targets == ("clients.provider.net",)


async def test_documents_that_were_redrawn_before_the_target_moved_again_are_redrawn_anew(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await put_zone(database, "0" * 32)
        await put_zone(database, "0" * 32, "clients.provider.net")
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
            assert zone.rerender_cursor == ""
            assert await save_rerender(tx, zone, before="", after="ch_5", version=1)
        await put_zone(database, "0" * 32, "tenants.provider.net")
        async with database.transaction() as tx:
            assert not await save_rerender(tx, zone, before="", after="ch_9", version=1)
            (zone,) = await list_zones(tx)
        assert zone.rerender_cursor == ""


async def test_a_process_that_starts_with_the_same_settings_keeps_what_was_redrawn(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await put_zone(database, "0" * 32)
        await put_zone(database, "0" * 32, "clients.provider.net")
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
            await save_rerender(tx, zone, before="", after="ch_5", version=1)
        await put_zone(database, "0" * 32, "clients.provider.net")
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
        assert zone.rerender_cursor == "ch_5"


async def test_redrawing_writes_a_document_that_differs_and_leaves_the_others_alone(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await put_zone(database, "0" * 32)
        zone = await present_zone(database)
        former = replace(zone, cname_target="former.provider.net")
        await put_hostname(database, former, "ch_1", "shop.green-tea.com", Schedule())
        await put_hostname(database, zone, "ch_2", "shop.black-tea.com", Schedule())
        before = await _views(database)
        async with database.transaction() as tx:
            assert await rewrite_documents(tx, zone.id, after="", limit=10) == "ch_2"
        assert await _views(database) == {"ch_1": before["ch_1"] + 1, "ch_2": before["ch_2"]}
        row = await read_document(database, "ch_1")
        assert row is not None
        assert json.loads(row["document"])["records"][0]["value"] == zone.cname_target


async def _views(database: Database) -> dict[str, int]:
    async with database.transaction() as tx:
        return {each.id: each.view for each in await read_hostnames(tx, ["ch_1", "ch_2"])}
