"""The demo's tenants: each does what tenants do, some of it wrong, while one watches."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.local.client import StackClient
from app.local.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One tenant: its name, its plan, and what it does how many seconds after the start."""

    hostname: str
    tenant: str
    plan: str | None = None
    """None: left out, as most callers do."""
    options: dict[str, Any] = field(default_factory=dict)
    adds_before_after: float | None = None
    switches_after: float | None = None
    mistypes_after: float | None = None


SAMPLES = (
    Sample(hostname="shop.blue-bicycle.com", tenant="blue-bicycle", switches_after=3),
    Sample(
        hostname="www.tin-whistle.org",
        tenant="tin-whistle",
        plan="zero_downtime",
        adds_before_after=6,
        switches_after=25,
    ),
    Sample(
        hostname="app.paper-lantern.net",
        tenant="paper-lantern",
        mistypes_after=8,
        switches_after=45,
    ),
    Sample(hostname="store.quiet-harbour.com", tenant="quiet-harbour", switches_after=60),
    Sample(
        hostname="docs.copper-kettle.io",
        tenant="copper-kettle",
        plan="zero_downtime",
        adds_before_after=20,
    ),
    Sample(hostname="blog.someday-soon.com", tenant="someday-soon"),
    Sample(
        hostname="api.silver-thimble.com",
        tenant="silver-thimble",
        plan="delegated",
        adds_before_after=5,
        switches_after=20,
    ),
    Sample(
        hostname="help.wooden-spoon.org",
        tenant="wooden-spoon",
        plan="custom",
        options={
            "dcv_method": "txt",
            "ownership_method": "realtime",
            "tls": {"min_tls_version": "1.2"},
        },
        adds_before_after=10,
        switches_after=30,
    ),
    # A wildcard is delegated by itself; the name joins its object.
    Sample(
        hostname="*.velvet-anchor.com",
        tenant="velvet-anchor",
        adds_before_after=7,
        switches_after=15,
    ),
    Sample(
        hostname="velvet-anchor.com",
        tenant="velvet-anchor",
        plan="delegated",
        adds_before_after=40,
        switches_after=50,
    ),
)


async def play_samples(stack: Stack) -> None:
    """Register the samples and let them act; started again, it changes nothing that is there."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        client = StackClient(stack, http)
        await client.add_webhook()
        async with asyncio.TaskGroup() as tenants:
            for sample in SAMPLES:
                tenants.create_task(_play(client, sample), name=sample.hostname)


async def _play(client: StackClient, sample: Sample) -> None:
    body = {"hostname": sample.hostname, "tenant": sample.tenant, **sample.options}
    if sample.plan is not None:
        body["plan"] = sample.plan
    hostname = await client.api("POST", "/custom-hostnames", **body)
    async with asyncio.TaskGroup() as actions:
        actions.create_task(_add(client, hostname["id"], "before", sample.adds_before_after))
        actions.create_task(_add(client, hostname["id"], "with", sample.switches_after))
        actions.create_task(_mistype(client, hostname["id"], sample.mistypes_after))


async def _add(client: StackClient, hostname_id: str, when: str, after: float | None) -> None:
    if after is None:
        return
    await asyncio.sleep(after)
    hostname = await client.api("GET", f"/custom-hostnames/{hostname_id}")
    await client.put_records([r for r in hostname["records"] if r["when"] == when])


async def _mistype(client: StackClient, hostname_id: str, after: float | None) -> None:
    if after is None:
        return
    await asyncio.sleep(after)
    hostname = await client.api("GET", f"/custom-hostnames/{hostname_id}")
    for record in hostname["records"]:
        if record["when"] == "with":
            await client.put_record(record, value="custmers.nameplate-demo.net")
