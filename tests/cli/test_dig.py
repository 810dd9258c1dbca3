"""`nameplate dig`: one name's DNS on the command line, without a database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.adapters.scripted_dns import scripted_dns
from tests.cli.test_commands import nameplate

TARGET = "customers.provider.net"
ZONES = f"""
    {TARGET} A 192.0.2.1
    quiet-lane.com NS ns01.domaincontrol.com
    shop.quiet-lane.com CNAME shops.myshopify.com
    shops.myshopify.com A 192.0.2.7
    live.quiet-lane.com CNAME {TARGET}
"""


async def dig(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    async with scripted_dns(ZONES) as dns:
        environment = {"NAMEPLATE_DNS_AUTHORITATIVE": "off"}
        resolver = f"127.0.0.1:{dns.port}"
        done = await asyncio.to_thread(
            nameplate,
            *("dig", *arguments, "--target", TARGET, "--resolver", resolver),
            environment=environment,
            cwd=tmp_path,
        )
        return done.returncode, done.stdout, done.stderr


async def test_a_name_that_leads_elsewhere_is_told_with_the_record_to_change(
    tmp_path: Path,
) -> None:
    status, out, err = await dig(tmp_path, "shop.quiet-lane.com")
    assert (status, err) == (0, "")
    assert "zone          quiet-lane.com, by GoDaddy" in out
    assert "CNAME         shops.myshopify.com" in out
    assert f"replace CNAME  host shop  value {TARGET}" in out
    # A pipe gets no colours.
    assert "\x1b" not in out


async def test_a_name_that_leads_here_is_well(tmp_path: Path) -> None:
    status, out, _ = await dig(tmp_path, "live.quiet-lane.com")
    assert status == 0
    assert "error" not in out


async def test_json_holds_the_same_as_the_api(tmp_path: Path) -> None:
    status, out, _ = await dig(tmp_path, "shop.quiet-lane.com", "--json")
    assert status == 0
    shown = json.loads(out)
    assert shown["dns"]["cname"] == "shops.myshopify.com"
    assert shown["provider"]["id"] == "godaddy"
    first = shown["data"][0]
    assert (first["severity"], first["host"], first["value"]) == ("error", "shop", TARGET)


@pytest.mark.parametrize(
    ("name", "said"),
    [("http://shop.com", "without"), ("co.uk", "public suffix")],
)
async def test_what_is_no_hostname_is_one_line_and_no_question(
    tmp_path: Path, name: str, said: str
) -> None:
    status, out, err = await dig(tmp_path, name)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert said in err
