"""The list of DNS providers: its form, and what is said about a broken file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from app.adapters.dns.providers import load_providers
from app.domain.diagnosis.provider import provider_of
from app.domain.errors import NotReady

SHIPPED: list[dict[str, Any]] = json.loads(
    files("app.adapters.dns").joinpath("providers.json").read_text(encoding="utf-8")
)
ENTRY = {
    "id": "own-dns",
    "name": "Own DNS",
    "name_servers": ["ns.own.net"],
    "dns_page": "https://dns.own.net/records",
    "flattens_apex": True,
    "apex_record": "ALIAS",
    "appends_domain": False,
    "apex_host": "",
    "steps": ["Open the zone.", "Add {host} {type} {value}."],
    "sources": ["https://dns.own.net/help"],
    "checked": "2026-11-26",
    "unsure": ["steps: not seen"],
}


def test_at_least_forty_providers_are_shipped() -> None:
    assert len(load_providers()) == len(SHIPPED) >= 40


def test_the_list_is_read_once() -> None:
    assert load_providers() is load_providers()


def test_no_name_server_suffix_lies_within_another_providers() -> None:
    suffixes = [(each["id"], suffix) for each in SHIPPED for suffix in each["name_servers"]]
    for (one, inner), (other, outer) in permutations(suffixes, 2):
        assert one == other or not f".{inner}".endswith(f".{outer}"), (one, other)


def test_a_server_under_each_suffix_is_recognised_as_the_providers() -> None:
    for provider in load_providers():
        for suffix in provider.name_servers:
            found = provider_of([f"ns1.{suffix}"], load_providers())
            assert found is provider, suffix


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry["id"])
def test_each_entry_says_what_to_enter_and_was_checked_in_the_past(entry: dict[str, Any]) -> None:
    steps = " ".join(entry["steps"])
    assert all(placeholder in steps for placeholder in ("{type}", "{host}", "{value}"))
    assert all(step.endswith(".") and len(step) <= 120 for step in entry["steps"])
    assert datetime.fromisoformat(entry["checked"]).date() <= datetime.now(UTC).date()
    assert {note.split(":")[0] for note in entry.get("unsure", [])} <= set(ENTRY)


@pytest.mark.parametrize(
    ("name_servers", "expected"),
    [
        (["ns-123.awsdns-45.co.uk", "ns-1.awsdns-00.com"], "route53"),
        (["ns1-01.azure-dns.com", "ns4-01.azure-dns.info"], "azure"),
        (["ns1098.ui-dns.biz", "ns1106.ui-dns.com"], "ionos"),
        (["ns-strato.ui-dns.com", "ns-strato.ui-dns.de"], "strato"),
        (["shades16.rzone.de", "docks01.rzone.de"], "strato"),
        (["ns51.domaincontrol.com", "ns52.domaincontrol.com"], "godaddy"),
        (["dns1.registrar-servers.com"], "namecheap"),
        (["dns1.p01.nsone.net", "dns2.p01.nsone.net"], "ns1"),
        (["dns1.p05.nsone.net", "ns01.squarespacedns.com"], "squarespace"),
        (["hydrogen.ns.hetzner.com", "helium.ns.hetzner.de"], "hetzner"),
        (["ns.inwx.de", "ns2.inwx.de", "ns3.inwx.eu"], "inwx"),
        (["ns0.transip.net", "ns1.transip.nl", "ns2.transip.eu"], "transip"),
        (["maceio.ns.porkbun.com"], "porkbun"),
        (["dns200.anycast.me", "ns200.anycast.me"], "ovh"),
        (["ns1.notcloudflare.com"], None),
        (["ns1.shop.com"], None),
    ],
)
def test_real_name_servers_are_recognised(name_servers: list[str], expected: str | None) -> None:
    found = provider_of(name_servers, load_providers())
    assert (found and found.id) == expected


def written(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "providers.json"
    file.write_text(json.dumps(entries), encoding="utf-8")
    return file


def test_a_file_of_ones_own_replaces_the_list(tmp_path: Path) -> None:
    (provider,) = load_providers(written(tmp_path, ENTRY))
    assert provider.id == "own-dns"
    assert provider.steps == ("Open the zone.", "Add {host} {type} {value}.")
    assert (provider.apex_host, provider.apex_record) == ("", "ALIAS")
    assert not provider.appends_domain


Damage = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda e: e.pop("name"), "[0].name Field required"),
        (lambda e: e.update(nam="x"), "[0].nam Extra inputs are not permitted"),
        (lambda e: e.update(id="Own DNS"), "[0].id String must match"),
        (lambda e: e.update(name_servers=["OWN.net"]), "[0].name_servers[0] String must match"),
        (lambda e: e.update(name_servers=[]), "[0] must have name_servers or a pattern"),
        (lambda e: e.update(pattern="("), "[0].pattern must be a regular expression"),
        (lambda e: e.update(dns_page="http://own.net"), "[0].dns_page must be an https URL"),
        (lambda e: e.update(sources=["own.net"]), "[0].sources[0] must be an https URL"),
        (lambda e: e.update(sources=[]), "[0].sources Tuple must have at least 1 item"),
        (lambda e: e.update(steps=["One."]), "[0].steps Tuple must have at least 2 items"),
        (lambda e: e.update(steps=["Open.", "{zone}"]), "[0].steps[1] may have the placeholders"),
        (lambda e: e.update(steps=["Open.", "{type"]), "[0].steps[1] may have the placeholders"),
        (lambda e: e.update(checked="26.11.2026"), "[0].checked must be a valid date"),
        (lambda e: e.update(flattens_apex=False), "[0] must have an apex_record exactly where"),
        (lambda e: e.update(apex_record=None), "[0] must have an apex_record exactly where"),
    ],
)
def test_a_broken_entry_is_refused_with_one_line(damage: Damage, said: str, tmp_path: Path) -> None:
    entry = dict(ENTRY)
    damage(entry)
    with pytest.raises(NotReady) as caught:
        load_providers(written(tmp_path, entry))
    assert said in caught.value.detail
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name_servers": ["ns.other.net"]}, "the id own-dns stands twice"),
        ({"id": "other"}, "the name server ns.own.net stands twice"),
    ],
)
def test_two_entries_share_neither_id_nor_name_server(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NotReady, match=said):
        load_providers(written(tmp_path, ENTRY, {**ENTRY, **change}))


def test_a_file_that_cannot_be_read_is_refused_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="cannot be read: No such file or directory"):
        load_providers(tmp_path / "missing.json")
    (tmp_path / "latin.json").write_bytes(b"\xe4")
    with pytest.raises(NotReady, match="must be a text in UTF-8"):
        load_providers(tmp_path / "latin.json")
    (tmp_path / "cut.json").write_text("[{", encoding="utf-8")
    with pytest.raises(NotReady, match="Invalid JSON"):
        load_providers(tmp_path / "cut.json")
