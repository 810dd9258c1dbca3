"""The tenant's mistakes of `nameplate walk --mistake`: what is added wrongly, told, and mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.local.client import StackClient

DOMAIN = "blue-bicycle.com"
OLD_SERVER = "192.0.2.44"


@dataclass(frozen=True, slots=True)
class DnsChange:
    """One record that the tenant puts into its DNS, or takes out of it."""

    type: str
    name: str
    value: str
    proxied: bool = False

    async def make(self, client: StackClient) -> str:
        """Put the record, and say so."""
        await self._put(client, proxied=self.proxied)
        return f"adds {self.type} {self.name} -> {self.value}{', proxied' if self.proxied else ''}"

    async def undo(self, client: StackClient) -> str:
        """Turn its proxy off, or take the record out, and say so."""
        if self.proxied:
            await self._put(client, proxied=False)
            return f"turns the proxy of {self.type} {self.name} off"
        await client.control("DELETE", "/dns/records", name=self.name, type=self.type)
        return f"removes {self.type} {self.name}"

    async def _put(self, client: StackClient, *, proxied: bool) -> None:
        await client.control(
            "PUT",
            "/dns/records",
            name=self.name,
            type=self.type,
            values=[self.value],
            ttl=60,
            proxied=proxied,
        )


@dataclass(frozen=True, slots=True)
class Mistake:
    """What the tenant gets wrong, and the code of the finding that says so."""

    title: str
    hostname: str
    plan: str
    code: str
    changes: Callable[[dict[str, Any]], tuple[DnsChange, ...]]
    """The changes, given the routing record that was asked for."""
    at_switch: bool = False
    """Whether it is made once the records are there that come before the switch."""


def _typo(routing: dict[str, Any]) -> tuple[DnsChange, ...]:
    return (DnsChange("CNAME", routing["name"], routing["value"].replace("s.", ".", 1)),)


def _caa(routing: dict[str, Any]) -> tuple[DnsChange, ...]:
    return (
        DnsChange("CNAME", routing["name"], routing["value"]),
        DnsChange("CAA", DOMAIN, '0 issue "otherca.net"'),
    )


def _proxied(routing: dict[str, Any]) -> tuple[DnsChange, ...]:
    return (DnsChange("CNAME", routing["name"], routing["value"], proxied=True),)


def _doubled(routing: dict[str, Any]) -> tuple[DnsChange, ...]:
    return (DnsChange("CNAME", f"{routing['name']}.{DOMAIN}", routing["value"]),)


def _apex(routing: dict[str, Any]) -> tuple[DnsChange, ...]:
    return (DnsChange("A", routing["name"], OLD_SERVER),)


SHOP = f"shop.{DOMAIN}"
MISTAKES: dict[str, Mistake] = {
    "typo": Mistake("The tenant mistypes the target", SHOP, "simple", "cname_misspelt", _typo),
    "caa": Mistake(
        "The domain's CAA record names another authority", SHOP, "simple", "caa_forbids", _caa
    ),
    "proxied": Mistake(
        "The tenant adds the record at Cloudflare, and proxies it",
        SHOP,
        "zero_downtime",
        "proxied_blocks",
        _proxied,
    ),
    "doubled": Mistake(
        "The tenant enters the full name, and its provider appends the domain",
        SHOP,
        "simple",
        "record_misplaced",
        _doubled,
    ),
    "apex": Mistake(
        "The domain itself still has the address of the old server",
        DOMAIN,
        "delegated",
        "apex_wrong",
        _apex,
        at_switch=True,
    ),
}
